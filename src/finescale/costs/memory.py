"""The memory that training and generation take on one device, in bytes, from the run's shape.

Weights, gradients and Adafactor's state are fp32 in either precision; with bf16, matrix products
read and write bf16 copies. What autograd keeps of a layer was counted for transformers' Gemma with
peft; tests compare all of this with the tensors that are really there.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from finescale.costs.architecture import Tuned
from finescale.study.hardware import TrainingHardware

FP32 = 4  # bytes
EVALUATION_IDS = 8192  # in a batch of training's evaluation, padding included
EVALUATION_LOGITS = 2**26  # most logits that evaluation makes at once
TRAINING_LOGITS = 2**29  # most logits that training makes at once; of more it makes pieces
LOGIT = 12  # bytes of a logit while the loss hands its gradient on: three times fp32
GENERATION_IDS = 16384  # in a batch of generation at its end, padding included


@dataclass(frozen=True)
class Pass:
    """One forward and backward pass of a device: rows of `length` ids, the loss at `positions`.

    `repeats` passes make the device's share of a batch.
    """

    rows: int
    length: int
    positions: int
    repeats: int = 1


def largest_pass(
    hardware: TrainingHardware, batch_rows: int, length: int, positions_of_row: int
) -> Pass:
    """The largest pass of a run whose rows have at most so many ids and losses."""
    share = -(-batch_rows // hardware.devices)
    most = hardware.micro_batch_tokens
    rows = share if most is None else max(1, min(share, most // length))
    return Pass(rows, length, rows * positions_of_row, -(-share // rows))


@dataclass(frozen=True)
class TrainingMemory:
    """The memory of one device of a training run; `on_cpu`: the device is the host.

    `tuned` and `precision` are the recipe's, `hardware` is what it runs on, `step` its largest
    pass. Each property is a number of bytes.
    """

    tuned: Tuned
    precision: str
    hardware: TrainingHardware
    step: Pass
    on_cpu: bool = False

    @property
    def peak(self) -> float:
        """The most that is there at a time."""
        return max(self._moments())

    @property
    def weights(self) -> float:
        """The device's share of them, frozen ones included."""
        adapters = 0 if self.full else self.tuned.trained
        return FP32 * (self.tuned.architecture.parameters + adapters) / self.hardware.shards

    @property
    def gradients(self) -> float:
        return FP32 * self.tuned.trained / self.hardware.shards

    @property
    def optimizer(self) -> float:
        return FP32 * self.tuned.second_moments / self.hardware.shards

    @property
    def best(self) -> float:
        """The best weights so far, which lie in the host's memory."""
        return self.gradients if self.on_cpu else 0.0

    @property
    def gathered(self) -> float:
        """What fsdp brings together for use: embedding, this layer and the next, gradients."""
        own = self.tuned.architecture
        if self.hardware.shards == 1:
            return 0.0
        layers = 2 * (own.layer_parameters + self.tuned.layer_adapters)
        gradients = layers if self.full else 2 * self.tuned.layer_adapters
        return FP32 * (own.embedding + layers + gradients)

    @property
    def copies(self) -> float:
        """bf16 copies of all weights, which autograd keeps unless it makes everything again."""
        kept = 0 if self.hardware.activation_checkpointing else self.tuned.architecture.layers
        return kept * self._layer_copies

    @property
    def activations(self) -> float:
        """What autograd keeps of the largest pass."""
        own = self.tuned.architecture
        states = FP32 * self._tokens * own.model_dim
        layer = states if self.hardware.activation_checkpointing else self._layer
        return own.layers * layer + 2 * states + self.low * self.step.positions * own.model_dim

    @property
    def logits(self) -> float:
        """Those that the loss makes at once, with their gradients."""
        return LOGIT * self._logits_at_once

    @property
    def full(self) -> bool:
        """Whether every parameter trains."""
        return self.tuned.method == "fmt"

    @property
    def low(self) -> int:
        """Bytes of what matrix products read and write."""
        return 2 if self.precision == "bf16" else FP32

    @property
    def _tokens(self) -> int:
        return self.step.rows * (self.step.length + self.tuned.prompt)

    @property
    def _logits_at_once(self) -> int:
        vocabulary = self.tuned.architecture.vocabulary
        return min(self.step.positions, max(1, TRAINING_LOGITS // vocabulary)) * vocabulary

    @property
    def _layer(self) -> float:
        return self._tokens * kept_of_a_layer(
            self.tuned, self.precision, self.hardware.attention, self.step.length
        )

    @property
    def _layer_copies(self) -> float:
        weights = self.tuned.architecture.layer_matrices + self.tuned.layer_adapters
        return self.low * weights if self.low < FP32 else 0.0

    def _moments(self) -> Iterator[float]:
        """Bytes at each moment that may be the peak."""
        lasting = self.weights + self.optimizer + self.best
        several = self.step.repeats > 1  # then gradients of passes before are there already
        during = lasting + self.gathered + (self.gradients if several else 0.0)
        yield from (during + self.copies + self.activations + more for more in self._backward())
        after = lasting + self.gathered + self.gradients
        if self.full:
            # the embedding's gradients, from input and output, and their sum
            yield after + (3 if several else 2) * FP32 * self.tuned.architecture.embedding
        yield (
            lasting + self.gradients + 2 * FP32 * self.tuned.largest_trained / self.hardware.shards
        )
        yield lasting + self.gathered + self._evaluation()

    def _backward(self) -> Iterator[float]:
        """What comes to the activations: at the loss, at the output layer, at the last layer."""
        own = self.tuned.architecture
        head = FP32 * own.embedding if self.full else 0.0
        pieces = -(-self.step.positions * own.vocabulary // self._logits_at_once)
        copy = self.low * own.embedding if self.low < FP32 else 0.0
        yield copy + self.logits + (head if pieces > 1 else 0.0)
        yield (
            (2 if pieces > 1 else 1) * head
            + (copy if self.full else 0.0)
            + (self.low * self._logits_at_once)
        )
        again = self.hardware.activation_checkpointing
        working = 2.0 * (own.ffn_dim * self.low + own.model_dim * FP32)
        if self.hardware.attention == "eager":  # by then the feed-forward layer's own is gone
            scores = 2 * FP32 * own.heads * (self.step.length + self.tuned.prompt)
            working = max(working, scores - self.low * own.ffn_dim * _wide(self.tuned))
        recomputed = self._layer + self._layer_copies if again else 0.0
        yield head + working * self._tokens + recomputed

    def _evaluation(self) -> float:
        own = self.tuned.architecture
        rows = max(1, EVALUATION_IDS // self.step.length)
        tokens = rows * (self.step.length + self.tuned.prompt)
        at_once = min(tokens, max(1, EVALUATION_LOGITS // own.vocabulary)) * own.vocabulary
        layer = 3 * own.ffn_dim * self.low + 4 * own.model_dim * FP32
        copy = self.low * own.embedding if self.low < FP32 else 0.0
        return max(tokens * layer + self._layer_copies, LOGIT * at_once + copy)


def kept_of_a_layer(tuned: Tuned, precision: str, attention: str, length: int) -> float:
    """Bytes that autograd keeps of one layer, for each id of a row of `length` ids.

    Of normalisation, attention and feed-forward layer, each method needs what its own gradients
    do: LoRA the inputs of its adapters, prompt tuning no input of any matrix.
    """
    own, method, low = tuned.architecture, tuned.method, 2 if precision == "bf16" else FP32
    cast = low < FP32
    # queries, keys, values, output: fused attention keeps the one key/value head as it is
    if attention == "sdpa":
        wide = own.attention_dim * (3 if method == "lora" and cast else 2) + 2 * own.head_dim
        scores = FP32 * own.heads
    else:
        wide = own.attention_dim * (3 if method == "prompt" else 4)
        scores = own.heads * (length + tuned.prompt) * (low + FP32 if cast else FP32)
    wide += own.ffn_dim * _wide(tuned) + 7 * tuned.rank
    # around the norms in fp32; in bf16, linear layers with trained weights keep copies of inputs
    states = FP32 * {"fmt": 4, "lora": 2, "prompt": 2}[method]
    inputs = low * (0 if method == "prompt" else 5 if cast else 2)
    return low * wide + scores + (states + inputs) * own.model_dim + 2 * FP32


def _wide(tuned: Tuned) -> int:
    """Arrays as wide as the feed-forward layer that are kept of it."""
    return 3 if tuned.method == "prompt" else 4


def generation_memory(
    tuned: Tuned, prompt: int, new: int, batch_ids: int = GENERATION_IDS
) -> float:
    """Bytes on the device that decodes rows of `prompt` ids and `new` new ones, in fp32."""
    own = tuned.architecture
    adapters = 0 if tuned.method == "fmt" else tuned.trained
    rows = generation_rows(prompt, new, batch_ids)
    read, whole = prompt + tuned.prompt, prompt + tuned.prompt + new
    cache = 2 * own.layers * own.head_dim * rows * whole
    layer = rows * read * (3 * own.ffn_dim + 6 * own.model_dim + 4 * own.attention_dim)
    mask = rows * read * read
    logits = 2 * rows * own.vocabulary
    return FP32 * (own.parameters + adapters + cache + max(layer + mask, logits))


def generation_rows(prompt: int, new: int, batch_ids: int = GENERATION_IDS) -> int:
    """Rows in a batch of generation."""
    return max(1, batch_ids // (prompt + new))
