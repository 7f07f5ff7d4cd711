"""Tokens per second, share of the device's peak and peak memory of training, and the memory plan.

    python benchmarks/training.py --gpu h100      where there is one: 1B of Table 3 in bf16
    python benchmarks/training.py                 the CPU: the demo's largest model in bf16
    python benchmarks/training.py --plan          no weights at all: what each size would take

Pretraining and each way of finetuning take real steps through Lightning, on random ids, each in a
process of its own; the first steps are not counted. Model FLOPs are what torch counts in a forward
and a backward pass without anything computed twice (MFU); the peak is the data sheet's, as
config/gpus.yaml has it, and beside it the rate of a large matrix product on this machine. Results
go to benchmarks/results/, with the command.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from measure import ROOT
from memory_plan import flops_of_pass, memory_of_pass

from finescale.launch import Hardware
from finescale.models import attach, build_decoder, count_parameters
from finescale.store.provenance import processor_name
from finescale.training.determinism import make_deterministic
from finescale.training.loader import Row
from finescale.training.module import Plan, Run, train
from finescale.training.placement import Placement
from finescale.training.schedule import Schedule

METHODS: dict[str, tuple[str, int | None]] = {
    "pretrain": ("fmt", None),
    "fmt": ("fmt", None),
    "lora": ("lora", 4),
    "prompt": ("prompt", 100),
}
RATES = {"pretrain": 0.01, "fmt": 0.001, "lora": 0.01, "prompt": 0.3}
WARM_UP = 3
# config, size, ids of a row, ids of a pass, passes of a step, counted steps
SETTINGS: dict[str, dict[str, Any]] = {
    "gpu": {"config": "paper", "size": "1B", "length": 2048, "ids": 16384, "passes": 4, "steps": 8},
    "cpu": {"config": "demo", "size": "L", "length": 128, "ids": 2048, "passes": 2, "steps": 8},
}


def main() -> None:
    """Measure, or plan, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpu", help="a kind of config/gpus.yaml; measures on the first GPU")
    parser.add_argument("--size", help="another model size of the config")
    parser.add_argument("--activation-checkpointing", action="store_true")
    parser.add_argument("--plan", action="store_true", help="only the memory plan of all sizes")
    parser.add_argument("--one", choices=METHODS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    setting = dict(SETTINGS["gpu" if arguments.gpu or arguments.plan else "cpu"])
    setting["size"] = arguments.size or setting["size"]
    setting["checkpointing"] = arguments.activation_checkpointing
    setting["accelerator"] = "gpu" if arguments.gpu else "cpu"
    if arguments.one:
        print(json.dumps(steps_of(arguments.one, setting)))
    elif arguments.plan:
        write("plan", [*plan(setting)])
    else:
        write(arguments.gpu or "cpu", [*measured(setting, arguments.gpu)])


def model_sizes(config: str) -> dict[str, dict[str, int]]:
    """The model sizes of a study."""
    content = yaml.safe_load((ROOT / "config" / f"{config}.yaml").read_text())
    return content["model_sizes"]


def vocabulary_of(config: str) -> int:
    """How many pieces the tokenizer of its first family has."""
    content = yaml.safe_load((ROOT / "config" / f"{config}.yaml").read_text())
    return next(iter(content["families"].values()))["tokenizer"]["vocab_size"]


class RandomRows:
    """Rows of random ids, all of one length; the loss is on `targets` of them."""

    pad = 0

    def __init__(self, vocabulary: int, rows: int, length: int, targets: int):
        self.vocabulary, self.count, self.length, self.targets = vocabulary, rows, length, targets

    def rows(self, step: int, share: slice) -> list[Row]:
        rng = np.random.default_rng(step)
        ids = rng.integers(3, self.vocabulary, (self.count, self.length))
        return [Row(row, self.length - self.targets) for row in ids[share]]


class TimedRun(Run):
    """Notes when each step ended."""

    ends: list[float]

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        super().on_train_batch_end(outputs, batch, batch_idx)  # the loss was read: all is computed
        self.ends.append(time.perf_counter())


def steps_of(method: str, setting: Mapping[str, Any]) -> dict[str, Any]:
    """Train a few steps in this process: seconds of a step and peak memory."""
    make_deterministic()
    vocabulary = vocabulary_of(setting["config"])
    hardware = Hardware(
        accelerator=setting["accelerator"],
        activation_checkpointing=setting["checkpointing"],
        micro_batch_tokens=setting["ids"],
    )
    placement = Placement(hardware)
    decoder = build_decoder(model_sizes(setting["config"])[setting["size"]], vocabulary, seed=0)
    parameters = count_parameters(decoder).total
    loss = placement.put(attach(decoder, *METHODS[method]))
    length, steps = setting["length"], WARM_UP + setting["steps"]
    rows = setting["ids"] * setting["passes"] // length
    schedule = Schedule("constant", RATES[method], RATES[method], steps)
    plan = Plan(steps, schedule, method == "pretrain", "bf16", evaluation_steps=set())
    run = TimedRun(loss, plan, lambda: 0.0, Path("unused"), 1e9, placement)
    run.ends = []
    targets = length - 1 if method == "pretrain" else length // 2
    state = train(run, RandomRows(vocabulary, rows, length, targets))
    assert state.diverged is None and len(run.ends) == steps
    seconds = np.diff(run.ends[WARM_UP - 1 :])
    return {
        "parameters": parameters,
        "seconds_per_step": float(np.median(seconds)),
        "ids_per_step": rows * length,
        "targets_per_pass": targets * (setting["ids"] // length),
        "peak_memory_gib": peak_memory(placement.device),
    }


def peak_memory(device: torch.device) -> float:
    """Most GiB of tensors on a GPU; on the CPU, of the process, libraries included."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measured(setting: Mapping[str, Any], gpu: str | None) -> Any:
    """A row for each method, trained in a process of its own."""
    own = matrix_product_rate(setting["accelerator"])
    peak = None
    if gpu:
        gpus = yaml.safe_load((ROOT / "config" / "gpus.yaml").read_text())["gpus"]
        peak = gpus[gpu]["bf16_tflops"] * 1e12
    size = model_sizes(setting["config"])[setting["size"]]
    vocabulary = vocabulary_of(setting["config"])
    for method, (kind, pet) in METHODS.items():
        command = [sys.executable, __file__, *sys.argv[1:], "--one", method]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        shape = (setting["ids"], setting["length"], found.pop("targets_per_pass"))
        flops = setting["passes"] * flops_of_pass(size, vocabulary, kind, pet, *shape)
        rate = flops / found["seconds_per_step"]
        yield {
            "method": method,
            **found,
            "tokens_per_second": found["ids_per_step"] / found["seconds_per_step"],
            "model_tflops_per_step": flops / 1e12,
            "mfu": peak and rate / peak,
            "of_own_matrix_product": rate / own,
            "own_matrix_product_tflops": own / 1e12,
            **{key: setting[key] for key in ("config", "size", "length", "ids", "checkpointing")},
        }


def matrix_product_rate(accelerator: str) -> float:
    """FLOP/s of the best of a few large products in bf16 on one device or one core."""
    device, n = ("cuda", 8192) if accelerator == "gpu" else ("cpu", 1024)
    torch.set_num_threads(1)
    a = torch.randn(n, n, dtype=torch.bfloat16, device=device)
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        (a @ a)[0, 0].item()
        seconds.append(time.perf_counter() - started)
    return 2 * n**3 / min(seconds)


def plan(setting: Mapping[str, Any]) -> Any:
    """A row for each size of Table 3, method and way with activations."""
    for size, dimensions in model_sizes("paper").items():
        for method, (kind, pet) in METHODS.items():
            targets = setting["ids"] if method == "pretrain" else setting["ids"] // 2
            for checkpointing in (False, True):
                memory = memory_of_pass(
                    dimensions,
                    vocabulary_of("paper"),
                    kind,
                    pet,
                    setting["ids"],
                    setting["length"],
                    targets,
                    checkpointing,
                )
                row = {"size": size, "method": method, "checkpointing": checkpointing}
                yield {**row, **memory, "sum_gib": sum(memory.values())}


def write(name: str, rows: list[dict[str, Any]]) -> None:
    """Print the rows and keep them with where and how they were made."""
    content = {
        "command": " ".join(["python", "benchmarks/training.py", *sys.argv[1:]]),
        "device": torch.cuda.get_device_name() if name not in ("cpu", "plan") else processor(),
        "torch": torch.__version__,
        "rows": rows,
    }
    for row in rows:
        print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{v}" for k, v in row.items()))
    folder = ROOT / "benchmarks" / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"training-{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def processor() -> str:
    """What measurements on the CPU were made on."""
    return f"{processor_name()}, one core, {platform.system()}"


if __name__ == "__main__":
    main()
