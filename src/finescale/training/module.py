"""One training run, driven by Lightning: pretraining and finetuning are the same loop."""

import logging
import math
import sys
import time
import warnings
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
from torch import Tensor

from finescale.models import TunedModel
from finescale.training.adafactor import Adafactor
from finescale.training.evaluation import negative_log_likelihood
from finescale.training.loader import Batch, Loader
from finescale.training.schedule import Schedule
from finescale.training.state import (
    Best,
    State,
    copy_weights,
    load_state,
    restore_weights,
    save_state,
)

LOSS_CURVE_POINTS = 100
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
    """Takes steps, evaluates where the plan says, and saves its state as time passes."""

    def __init__(
        self,
        model: TunedModel,
        plan: Plan,
        evaluate: Callable[[], float],
        state_file: Path,
        checkpoint_every_seconds: float,
    ):
        super().__init__()
        self.model, self.plan, self.evaluate = model, plan, evaluate
        self.state_file, self.every = state_file, checkpoint_every_seconds
        self.state = State()
        self.trainable = model.trainable()
        self.optimizer = Adafactor(
            self.trainable.values(), plan.schedule.peak, plan.parameter_scaling
        )
        self.loss_interval = max(1, plan.schedule.steps // LOSS_CURVE_POINTS)
        self.saved_at = self.logged_at = time.monotonic()
        self.tokens_since_log = 0

    def restore(self, file: Path) -> None:
        """Go on from a saved state: of this run, or of a shorter one of the same trajectory."""
        self.state, weights, optimizer = load_state(file)
        restore_weights(self.trainable, weights)
        self.optimizer.load_state_dict(optimizer)

    def save(self, file: Path) -> None:
        """Write what `restore` reads."""
        save_state(file, self.state, self.trainable, self.optimizer)

    def configure_optimizers(self) -> Adafactor:
        return self.optimizer

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        self.optimizer.param_groups[0]["lr"] = self.plan.schedule.rate(self.state.step)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = negative_log_likelihood(self.model, batch) / len(batch.targets)
        self._record(loss.item())
        self.tokens_since_log += batch.ids.numel()
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        self.state.step += 1
        if self.state.step in self.plan.evaluation_steps:
            self._look()
        if self.state.stopped:
            self.trainer.should_stop = True
        if time.monotonic() - self.saved_at >= self.every:
            self.save(self.state_file)
            self.saved_at = time.monotonic()

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
        seconds = time.monotonic() - self.logged_at
        loss = self.state.loss_curve[-1]["loss"] if self.state.loss_curve else math.nan
        print(
            f"step {self.state.step}/{self.plan.steps}  loss {loss:.4f}  held-out {value:.4f}  "
            f"{self.tokens_since_log / seconds:,.0f} tokens/s",
            file=sys.stderr,
        )
        self.logged_at, self.tokens_since_log = time.monotonic(), 0


def train(run: Run, batches: Callable[[int], Batch]) -> State:
    """Train from the run's state to its end, going on from an interrupted attempt if there is one.

    Returns the final state; `state.diverged` says why a run that has no weights has none.
    """
    if run.state_file.exists():
        run.restore(run.state_file)
    if run.state.stopped or run.state.step >= run.plan.steps:
        return run.state
    run.model.train()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        try:
            _trainer(run).fit(run, Loader(batches, run.state.step, run.plan.steps))
        except Diverged as reason:
            run.state.diverged = str(reason)
    return run.state


def _trainer(run: Run) -> pl.Trainer:
    return pl.Trainer(
        accelerator="auto",
        devices=1,
        precision=PRECISIONS[run.plan.precision],
        max_steps=run.plan.steps - run.state.step,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
