"""One training run, driven by Lightning: pretraining and finetuning are the same loop."""

import logging
import math
import sys
import time
import warnings
from collections.abc import Callable, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
from torch.nn.parallel import DistributedDataParallel

from finescale import interruption
from finescale.training.adafactor import Adafactor
from finescale.training.loader import Batch, Batches, Loader, empty_batch, on_device
from finescale.training.loss import TargetLoss
from finescale.training.placement import Placement
from finescale.training.schedule import Schedule
from finescale.training.state import (
    Best,
    State,
    copy_weights,
    is_whole,
    restore_state,
    save_state,
)
from finescale.training.strategies import trainer_options

LOSS_CURVE_POINTS = 100
SAVING_SHARE = 0.05  # most of the time that saving takes; then it happens more rarely
PRECISIONS: dict[str, Literal["32-true", "bf16-mixed"]] = {"fp32": "32-true", "bf16": "bf16-mixed"}

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


class Diverged(Exception):
    """A loss that is not a finite number."""


@dataclass(frozen=True)
class Plan:
    """What a run does at which step.

    With `keep_best`, the weights of the best evaluation are kept; with `patience` as well, training
    stops after that many evaluations without gain, but not before `min_steps`.
    """

    steps: int
    schedule: Schedule
    parameter_scaling: bool
    precision: str
    evaluation_steps: Set[int]
    keep_best: bool = False
    patience: int | None = None
    min_steps: int = 0


class Run(pl.LightningModule):
    """Takes steps, evaluates where the plan says, and saves its state as time passes.

    All processes of a company do so in step: what they decide by is the same in each.
    """

    def __init__(
        self,
        loss: TargetLoss,
        plan: Plan,
        evaluate: Callable[[], float],
        state_file: Path,
        checkpoint_every_seconds: float,
        placement: Placement,
    ):
        super().__init__()
        self.automatic_optimization = False  # a step has as many micro-batches as it needs
        self.loss, self.plan, self.evaluate = loss, plan, evaluate
        self.placement, self.company = placement, placement.company
        self.state_file, self.every = state_file, checkpoint_every_seconds
        self.state = State()
        self.trainable = loss.model.trainable()
        self.optimizer = Adafactor(
            self.trainable.values(), plan.schedule.peak, plan.parameter_scaling
        )
        self.loss_interval = max(1, plan.schedule.steps // LOSS_CURVE_POINTS)
        self.saved_at = self.logged_at = time.monotonic()
        self.saving_seconds = 0.0
        self.ids_since_log = 0

    @property
    def finished(self) -> bool:
        return self.state.stopped or self.state.step >= self.plan.steps

    def restore(self, file: Path) -> None:
        """Go on from a saved state: of this run, or of a shorter one of the same trajectory."""
        self.state = restore_state(file, self.trainable, self.optimizer, self.placement)

    def save(self, file: Path, checked: bool = True) -> None:
        """Write what `restore` reads."""
        save_state(file, self.state, self.trainable, self.optimizer, self.placement, checked)

    def configure_model(self) -> None:
        """Nothing: the model is in its place, because a finished run is evaluated there too."""

    def configure_optimizers(self) -> Adafactor:
        return self.optimizer

    def between_steps(self, ids: int = 0, targets: int = 0, passes: int = 0) -> tuple[int, int]:
        """What the processes have to agree on before they go on together.

        Given what this process has before it in the next step, returns the targets of all, and the
        most passes of one. Saves the state if it is time; stops if a signal came to any process.
        """
        asked = (interruption.received(), self._saving_is_due(), ids, targets, passes)
        signals, due, ids_of, targets_of, passes_of = zip(*self.company.gather(asked), strict=True)
        signal = int(max(signals))
        if signal or due[0]:  # clocks differ: the leading one counts
            self._save_in_time()
        if signal and not self.finished:
            self.company.decide(lambda: None)  # whoever leaves early stops the one that writes
            what = f"at step {self.state.step}: state saved in {self.state_file}"
            interruption.leave(signal, what if self.company.leads else "")
        self.ids_since_log += int(sum(ids_of))
        return int(sum(targets_of)), int(max(passes_of))

    def _saving_is_due(self) -> bool:
        waited = time.monotonic() - self.saved_at
        # minutes for a large model: then less often
        least = max(1.0, self.saving_seconds / (SAVING_SHARE * self.every)) if self.every else 0.0
        return waited >= least * self.every

    def _save_in_time(self) -> None:
        started = time.monotonic()
        self.save(self.state_file)
        self.saved_at = time.monotonic()
        self.saving_seconds = self.saved_at - started

    def training_step(self, batches: list[Batch], batch_idx: int) -> None:
        ids = sum(batch.ids.numel() for batch in batches)
        targets = sum(len(batch.targets) for batch in batches)
        targets, passes = self.between_steps(ids, targets, len(batches))
        # a pass of a sharded model needs all processes
        batches = batches + [empty_batch()] * (passes - len(batches))
        loss = self.company.total(self._backward(batches, targets))
        self._record(loss)
        optimizer = self.optimizers()
        self.optimizer.param_groups[0]["lr"] = self.plan.schedule.rate(self.state.step)
        optimizer.step()  # type: ignore[union-attr]
        self.optimizer.zero_grad()

    def _backward(self, batches: list[Batch], targets: int) -> float:
        """Add this process's gradients to those of the others; its share of the mean loss.

        The processes' gradients are averaged, so each divides by its even share of the targets.
        """
        total: Any = 0.0
        for left, batch in zip(reversed(range(len(batches))), batches, strict=True):
            with self._alone() if left else nullcontext():
                nll = self.loss(on_device(batch, self.device))
                loss = nll / (targets / self.company.ranks)
                self.manual_backward(loss)
            total = total + loss.detach().double()
        return float(total) / self.company.ranks

    def _alone(self) -> AbstractContextManager[None]:
        """Where DDP's copies keep their gradients to themselves."""
        model = self.trainer.strategy.model
        return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()

    def on_train_batch_end(self, outputs: Any, batch: list[Batch], batch_idx: int) -> None:
        self.state.step += 1
        if self.state.step in self.plan.evaluation_steps:
            self._look()
        if self.state.stopped:
            self.trainer.should_stop = True

    def _record(self, loss: float) -> None:
        state = self.state
        if not math.isfinite(loss):
            raise Diverged(f"training loss is {loss} at step {state.step + 1}")
        state.loss_sum += loss
        state.loss_steps += 1
        if (state.step + 1) % self.loss_interval == 0:
            mean = state.loss_sum / state.loss_steps
            state.loss_curve.append({"step": state.step + 1, "loss": mean})
            state.loss_sum, state.loss_steps = 0.0, 0

    def _look(self) -> None:
        """Evaluate, remember the best, decide whether to stop."""
        state = self.state
        value = self.evaluate()
        if not math.isfinite(value):
            raise Diverged(f"held-out loss is {value} at step {state.step}")
        state.curve.append({"step": state.step, "log_perplexity": value})
        self._report(value)
        if not self.plan.keep_best:
            return
        if state.best is None or value < state.best.log_perplexity:
            state.best = Best(state.step, value, copy_weights(self.trainable))
            state.evaluations_without_gain = 0
        else:
            state.evaluations_without_gain += 1
        state.stopped = (
            self.plan.patience is not None
            and state.evaluations_without_gain >= self.plan.patience
            and state.step >= self.plan.min_steps
        )

    def _report(self, value: float) -> None:
        if not self.company.leads:
            return
        seconds = time.monotonic() - self.logged_at
        loss = self.state.loss_curve[-1]["loss"] if self.state.loss_curve else math.nan
        print(
            f"step {self.state.step}/{self.plan.steps}  loss {loss:.4f}  held-out {value:.4f}  "
            f"{self.ids_since_log / seconds:,.0f} tokens/s",
            file=sys.stderr,
        )
        self.logged_at, self.ids_since_log = time.monotonic(), 0


def train(run: Run, batches: Batches, predecessor: Path | None = None) -> State:
    """Train to the run's end: from an interrupted attempt, else from a shorter run's state.

    Returns the final state; `state.diverged` says why a run that has no weights has none.
    """
    start = run.company.decide(lambda: _start(run.state_file, predecessor))
    if start is not None:
        run.restore(start)
    if run.finished:
        return run.state
    run.loss.train()
    interruption.training_starts()
    most_ids = run.placement.hardware.micro_batch_tokens
    loader = Loader(batches, run.state.step, run.plan.steps, run.company, most_ids)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        try:
            _trainer(run).fit(run, loader)
        except Diverged as reason:
            run.state.diverged = str(reason)
        else:
            run.between_steps()
    run.placement.back(run.loss)
    return run.state


def _start(state_file: Path, predecessor: Path | None) -> Path | None:
    """The state to go on from; None for the beginning."""
    if not state_file.exists():
        return predecessor
    if is_whole(state_file):
        return state_file
    state_file.unlink()
    instead = "the beginning" if predecessor is None else predecessor
    print(f"{state_file}: corrupted, removed; starting from {instead}", file=sys.stderr)
    return predecessor


def _trainer(run: Run) -> pl.Trainer:
    trainer = pl.Trainer(
        precision=PRECISIONS[run.plan.precision],
        max_steps=run.plan.steps - run.state.step,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        **trainer_options(run.placement),
    )
    # Lightning would answer SIGTERM between any two lines, and with words to the other processes
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer
