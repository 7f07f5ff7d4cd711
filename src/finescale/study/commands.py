"""Command lines of the stage programs, for the hardware that a config gives them."""

from collections.abc import Iterator, Mapping
from typing import Any

from finescale.store import Recipe
from finescale.study.hardware import TrainingHardware, training_hardware
from finescale.study.plan import Plan


class Commands:
    """The command lines of a plan's jobs with models; `config` is the completed config.

    `python` and `programs` are how Python and the folder of the programs are called in a shell.
    """

    def __init__(self, plan: Plan, config: Mapping[str, Any], python: str, programs: str) -> None:
        self.plan, self.config = plan, config
        self.python, self.programs = python, programs
        self._known: dict[tuple[str, str, int], str] = {}

    def training(self, recipe: Recipe, tasks_by_srun: bool) -> str:
        """What starts the training of a recipe: Python, or what starts one process a device."""
        kind = recipe.parameters.get("method", "pretraining")
        (base,) = recipe.inputs.get("base", (recipe.reference,))
        size = self.plan.sizes[base]
        key = kind, size, tasks_by_srun
        if key not in self._known:
            hardware = training_hardware(self.config, kind, size)
            options = [*self._accelerator(), *_options(hardware)]
            launcher = _launcher(self.python, hardware, tasks_by_srun)
            self._known[key] = " ".join([*launcher, f"{self.programs}/{recipe.stage}.py", *options])
        return self._known[key]

    def asking(self, stage: str) -> str:
        """What starts a job that asks a trained model: `generate` or `loss`."""
        return " ".join([self.python, f"{self.programs}/{stage}.py", *self._accelerator()])

    def _accelerator(self) -> list[str]:
        accelerator = self.config["hardware"]["accelerator"]
        return [] if accelerator == "cpu" else ["--accelerator", accelerator]


def _launcher(python: str, hardware: TrainingHardware, tasks_by_srun: bool) -> list[str]:
    """One process a device: srun starts them inside of a SLURM job, torchrun elsewhere.

    torchrun gives its processes 30 seconds to save their state when a signal comes, srun passes
    the signal on and waits.
    """
    if hardware.devices == 1:
        return [python]
    if tasks_by_srun:
        nodes = ["--nodes", str(hardware.nodes), "--ntasks", str(hardware.devices)]
        return ["srun", "--kill-on-bad-exit=1", *nodes, python]
    torchrun = [python, "-m", "torch.distributed.run"]
    return [*torchrun, "--standalone", "--nproc-per-node", str(hardware.devices)]


def _options(hardware: TrainingHardware) -> Iterator[str]:
    """Options of the training programs, where they differ from what holds without."""
    default = TrainingHardware()
    for name in ("strategy", "activation_checkpointing", "attention", "micro_batch_tokens"):
        value = getattr(hardware, name)
        if value != getattr(default, name):
            yield f"--{name.replace('_', '-')}"
            if value is not True:
                yield str(value)
