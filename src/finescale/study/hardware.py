"""What a study's models are trained on: the `hardware` section of its config."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from finescale.errors import suggestion

KINDS = ("pretraining", "fmt", "lora", "prompt")  # of training runs
TABLES = ("training", *KINDS)
DEFAULT = "default"


@dataclass(frozen=True)
class TrainingHardware:
    """Devices of one training run and how they share the work; no result depends on it.

    `micro_batch_tokens` are the ids of one forward pass of one device, padding included; None is
    the device's whole share of the batch.
    """

    devices: int = 1
    nodes: int = 1
    strategy: str = "ddp"
    activation_checkpointing: bool = False
    attention: str = "sdpa"
    micro_batch_tokens: int | None = None

    @property
    def shards(self) -> int:
        """Over how many devices weights, gradients and optimizer state are divided."""
        return self.devices if self.strategy == "fsdp" else 1


def training_hardware(config: Mapping[str, Any], kind: str, size: str) -> TrainingHardware:
    """What a run of a kind and a model size is trained on."""
    where = _where(config["hardware"], kind, size)
    return TrainingHardware(**config["hardware"][where[0]][where[1]]) if where else _DEFAULTS


_DEFAULTS = TrainingHardware()


def _where(hardware: Mapping[str, Any], kind: str, size: str) -> tuple[str, str] | None:
    """The table and the entry that say it: the kind's own before `training`, sizes first."""
    for table in (kind, "training"):
        for name in (size, DEFAULT):
            if name in hardware[table]:
                return table, name
    return None


def hardware_mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    """What a schema cannot see in the section."""
    hardware, sizes = config["hardware"], config["model_sizes"]
    for table in TABLES:
        for name, entry in hardware[table].items():
            where = f"`hardware.{table}.{name}"
            if name not in (*sizes, DEFAULT):
                yield f"{where}`: `model_sizes` has no `{name}`{suggestion(name, sizes)}"
            yield from _entry_mistakes(where, entry)
    yield from _batch_mistakes(config)


def _entry_mistakes(where: str, entry: Mapping[str, Any]) -> Iterator[str]:
    devices, nodes = entry["devices"], entry["nodes"]
    if devices % nodes:
        yield f"{where}.devices`: {devices} devices cannot be spread evenly over {nodes} nodes"
    if entry["strategy"] == "fsdp" and devices == 1:
        yield f"{where}.strategy`: fsdp shares a model over devices, this run has 1; use ddp"


def _batch_mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    """Runs with more devices than rows in a batch."""
    hardware = config["hardware"]
    for kind, (rows, key) in _smallest_batches(config).items():
        for size in config["model_sizes"]:
            devices = training_hardware(config, kind, size).devices
            if devices > rows:
                where = ".".join(_where(hardware, kind, size) or ())
                yield (
                    f"`hardware.{where}.devices`: {devices} devices cannot share a batch of {rows} "
                    f"(`{key}`); give `hardware.{kind}` fewer"
                )


def _smallest_batches(config: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    """The smallest batch of each kind of run, in rows, and the key that sets it."""
    found = {}
    if "pretraining" in config:
        rows = config["pretraining"]["batch_sequences"]
        found["pretraining"] = [(rows, "pretraining.batch_sequences")]
    for method, settings in config["methods"].items():
        found[method] = [(settings["batch_examples"], f"methods.{method}.batch_examples")]
    for task, settings in config["tasks"].items():
        for method, own in settings["methods"].items():
            if method in found and "batch_examples" in own:
                key = f"tasks.{task}.methods.{method}.batch_examples"
                found[method].append((own["batch_examples"], key))
    for method, axes in config.get("search", {}).get("methods", {}).items():
        if method in found:
            rows = min(axes["batch_examples"])
            found[method].append((rows, f"search.methods.{method}.batch_examples"))
    return {kind: min(batches) for kind, batches in found.items()}
