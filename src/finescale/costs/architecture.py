"""Parameters and FLOPs of the decoder and of the ways to tune it, counted from its dimensions.

A FLOP is an addition or a multiplication. Counted is what `torch.utils.flop_counter` counts:
matrix products, attention over whole rows (no discount for the causal half); not norms,
activation functions or the optimizer. Per token and parameter of a matrix that is 2 forward, 2 for
the gradient of its input and 2 for its own: the 6N of Kaplan et al. 2020 (arXiv 2001.08361), to
which attention and the logits at the loss positions are added.
"""

from dataclasses import dataclass
from functools import cached_property

FACTORED_FROM = 128  # Adafactor keeps rows and columns of larger matrices, else every number
INPUTS = ("q", "k", "v")  # matrices that read the input of a layer

# Matrix products over all positions of a row: scores and their use. torch's fused attention
# computes the scores again in its backward pass: 5 products instead of 4.
ATTENTION_FORWARD = 2
ATTENTION_BACKWARD = {"sdpa": 5, "eager": 4}


@dataclass(frozen=True)
class Architecture:
    """The decoder of Table 3: one key/value head, gated feed-forward layer, tied embedding."""

    layers: int
    heads: int
    head_dim: int
    ffn_dim: int
    model_dim: int
    vocabulary: int

    @property
    def attention_dim(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_dim

    @cached_property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of each matrix of a layer."""
        return {
            "q": (self.model_dim, self.attention_dim),
            "k": (self.model_dim, self.head_dim),
            "v": (self.model_dim, self.head_dim),
            "o": (self.attention_dim, self.model_dim),
            "gate": (self.model_dim, self.ffn_dim),
            "up": (self.model_dim, self.ffn_dim),
            "down": (self.ffn_dim, self.model_dim),
        }

    @cached_property
    def layer_matrices(self) -> int:
        """Parameters of a layer that are multiplied with activations: all but the norms."""
        return sum(inputs * outputs for inputs, outputs in self.matrices.values())

    @property
    def layer_parameters(self) -> int:
        return self.layer_matrices + 2 * self.model_dim

    @property
    def embedding(self) -> int:
        """Parameters of the embedding, which is the output layer too."""
        return self.vocabulary * self.model_dim

    @property
    def non_embedding(self) -> int:
        return self.layers * self.layer_parameters + self.model_dim

    @property
    def parameters(self) -> int:
        return self.non_embedding + self.embedding


def usual_architecture(parameters: float, vocabulary: int) -> Architecture:
    """Dimensions that models of so many parameters often have: for estimates alone.

    128 times as wide as deep, heads as wide as that or half, an FFN of 8/3 of the width.
    """

    def of(layers: int) -> Architecture:
        width = 128 * layers
        head = 64 if width < 1024 else 128
        return Architecture(layers, width // head, head, 8 * width // 3, width, vocabulary)

    layers = 1
    while of(layers).parameters < parameters:
        layers += 1
    smaller, larger = of(max(1, layers - 1)), of(layers)
    return min(smaller, larger, key=lambda own: abs(own.parameters - parameters))


@dataclass(frozen=True)
class Tuned:
    """A decoder and the method that trains it; pretraining is `fmt`.

    `pet_size` is LoRA's rank or the prompt's length, 0 for `fmt`.
    """

    architecture: Architecture
    method: str = "fmt"
    pet_size: int = 0

    @property
    def rank(self) -> int:
        return self.pet_size if self.method == "lora" else 0

    @property
    def prompt(self) -> int:
        """Embeddings in front of each row."""
        return self.pet_size if self.method == "prompt" else 0

    @cached_property
    def layer_adapters(self) -> int:
        """Parameters of LoRA's matrices in a layer."""
        return sum(self.rank * (n + m) for n, m in self.architecture.matrices.values())

    @property
    def trained(self) -> int:
        """Parameters that training changes."""
        if self.method == "fmt":
            return self.architecture.parameters
        prompt = self.prompt * self.architecture.model_dim
        return self.architecture.layers * self.layer_adapters + prompt

    @property
    def largest_trained(self) -> int:
        """Numbers of the largest tensor that training changes."""
        widest = max(max(shape) for shape in self.architecture.matrices.values())
        if self.method == "fmt":
            return max(self.architecture.embedding, self.architecture.model_dim * widest)
        return self.rank * widest + self.prompt * self.architecture.model_dim

    @property
    def second_moments(self) -> int:
        """Numbers of Adafactor's state."""
        own = self.architecture
        if self.method == "prompt":
            return moments(self.prompt, own.model_dim)
        if self.method == "lora":
            adapters = [
                moments(self.rank, inputs) + moments(outputs, self.rank)
                for inputs, outputs in own.matrices.values()
            ]
            return own.layers * sum(adapters)
        layer = sum(moments(*shape) for shape in own.matrices.values()) + 2 * own.model_dim
        return own.layers * layer + own.model_dim + moments(own.vocabulary, own.model_dim)

    def forward_flops(self, rows: float, length: float, positions: float) -> float:
        """FLOPs of a forward pass; logits are made at `positions` positions of all rows."""
        own = self.architecture
        tokens = rows * (length + self.prompt)
        layer = 2 * tokens * (own.layer_matrices + self.layer_adapters)
        layer += ATTENTION_FORWARD * self._attention_product(rows, length)
        return own.layers * layer + 2 * positions * own.embedding

    def backward_flops(
        self, rows: float, length: float, positions: float, attention: str = "sdpa"
    ) -> float:
        """FLOPs of the backward pass of the same.

        A frozen matrix has no gradient of its own, but hands on that of its input; LoRA does not
        need the gradient of the embeddings, so its first layer hands on less.
        """
        own = self.architecture
        tokens = rows * (length + self.prompt)
        gradients = 2 if self.method == "fmt" else 1  # per matrix: of its input, of itself
        layer = 2 * tokens * (gradients * own.layer_matrices + 2 * self.layer_adapters)
        layer += ATTENTION_BACKWARD[attention] * self._attention_product(rows, length)
        total = own.layers * layer + gradients * 2 * positions * own.embedding
        return total - 2 * tokens * self._handed_to_embeddings

    def recomputed_flops(self, rows: float, length: float) -> float:
        """What activation checkpointing computes again in the backward pass.

        All but the last product of each layer, whose result no gradient needs. It makes gradients
        reach the embeddings whether anything needs them or not.
        """
        inputs, outputs = self.architecture.matrices["down"]
        last = self.rank * outputs if self.rank else inputs * outputs
        tokens = rows * (length + self.prompt)
        spared = self.architecture.layers * last - self._handed_to_embeddings
        return self.forward_flops(rows, length, 0) - 2 * tokens * spared

    @cached_property
    def _handed_to_embeddings(self) -> int:
        """Parameters that in LoRA's first layer do not hand a gradient on."""
        if self.method != "lora":
            return 0
        read = [self.architecture.matrices[name] for name in INPUTS]
        return sum(n * m + self.rank * n for n, m in read)

    def decoding_flops(self, prompt: float, new: float) -> float:
        """FLOPs of writing `new` ids after a prompt of so many, with a key/value cache.

        The prompt gives the first new id; every other one is read once, and sees all before it.
        """
        own, steps = self.architecture, max(0.0, new - 1)
        read = 2 * own.layers * (own.layer_matrices + self.layer_adapters) + 2 * own.embedding
        seen = steps * (prompt + self.prompt + (steps + 1) / 2)
        attention = ATTENTION_FORWARD * 2 * own.layers * own.attention_dim * seen
        return self.forward_flops(1, prompt, 1) + steps * read + attention

    def _attention_product(self, rows: float, length: float) -> float:
        """FLOPs of one product of queries with keys, or of scores with values, in one layer."""
        return 2 * rows * (length + self.prompt) ** 2 * self.architecture.attention_dim


def moments(rows: int, columns: int) -> int:
    """Numbers that Adafactor keeps of a matrix: factored if both sides are large."""
    return rows + columns if min(rows, columns) >= FACTORED_FROM else rows * columns
