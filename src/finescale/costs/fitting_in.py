"""Jobs that a device or a cluster cannot hold, and the settings with which it could."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from finescale.costs.hardware import Hardware
from finescale.costs.jobs import Costs
from finescale.costs.training import Work
from finescale.store import Recipe
from finescale.study.hardware import TrainingHardware

LEAST_IDS = 4096  # of a micro-batch: smaller ones leave a GPU idle
MOST_DEVICES = 64


@dataclass(frozen=True)
class Misfit:
    """One kind of job that cannot run: which, why, and what would help."""

    job: str
    reason: str
    remedy: str


def misfit(recipe: Recipe, costs: Costs, gpus: int) -> Misfit | None:
    """Why a job does not fit on the hardware; None for one that does."""
    cost, hardware = costs.of(recipe), costs.hardware
    if not cost.devices:
        return None
    training = recipe.stage in ("pretrain", "finetune")
    on = costs.training_hardware(recipe) if training else TrainingHardware()
    name = _name(recipe, costs)
    key = f"`hardware.{_kind(recipe)}.{costs.size(recipe)}`" if training else ""
    site = hardware.site
    if on.devices > gpus:
        return Misfit(name, f"it has {on.devices} devices of {gpus}", f"lower `devices` in {key}")
    if on.devices // on.nodes > site.gpus_per_node:
        reason = f"{on.devices // on.nodes} devices a node, the site has {site.gpus_per_node}"
        nodes = -(-on.devices // site.gpus_per_node)
        return Misfit(name, reason, f"set `nodes: {nodes}` in {key}")
    if cost.device_memory_bytes <= hardware.memory_bytes:
        return None
    reason = (
        f"{cost.device_memory_bytes / 2**30:.1f} GiB on each device, of the {hardware.gpu.name}'s "
        f"{hardware.gpu.memory_gib:g} GiB {hardware.memory_bytes / 2**30:.1f} can be used"
    )
    remedy = _remedy(costs.work(recipe), on, hardware) if training else None
    if remedy is None:
        return Misfit(name, reason, "take a GPU with more memory")
    return Misfit(name, reason, f"set {remedy} in {key}")


def _kind(recipe: Recipe) -> str:
    return recipe.parameters.get("method", "pretraining")


def _name(recipe: Recipe, costs: Costs) -> str:
    if recipe.stage == "score":
        return "scores of a learned metric"
    if recipe.stage == "generate":
        return f"generation by {costs.size(recipe)} models"
    if recipe.stage == "loss":
        return f"later test sets of {costs.size(recipe)} models"
    return f"{_kind(recipe)} of {costs.size(recipe)}"


def _remedy(work: Work, on: TrainingHardware, hardware: Hardware) -> str | None:
    """The first settings that fit: what costs least time is tried first."""
    for changed in _variants(work, on, hardware.site.gpus_per_node):
        if work.memory(changed, on_cpu=False).peak <= hardware.memory_bytes:
            return ", ".join(_differences(on, changed))
    return None


def _variants(work: Work, on: TrainingHardware, of_node: int) -> Iterator[TrainingHardware]:
    """Smaller micro-batches, then activations computed again, then more devices."""
    devices = on.devices
    while devices <= min(MOST_DEVICES, work.largest.rows):
        wider = on
        if devices > on.devices:
            nodes = max(on.nodes, -(-devices // of_node))
            wider = replace(on, devices=devices, nodes=nodes, strategy="fsdp")
        for again in sorted({on.activation_checkpointing, True}):
            for ids in _micro_batches(work, wider):
                yield replace(wider, activation_checkpointing=again, micro_batch_tokens=ids)
        devices *= 2


def _micro_batches(work: Work, on: TrainingHardware) -> Iterator[int]:
    """Powers of two, from what there is to what makes sense."""
    share = -(-work.largest.rows // on.devices) * int(work.largest.length)
    ids = on.micro_batch_tokens or 2 ** (share - 1).bit_length()
    yield ids
    while ids // 2 >= max(LEAST_IDS, work.largest.length):
        ids //= 2
        yield ids


def _differences(old: TrainingHardware, new: TrainingHardware) -> Iterator[str]:
    for key, value in vars(new).items():
        if value != getattr(old, key):
            yield f"`{key}: {_yaml(value)}`"


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
