"""The parts of a causal language model of transformers, found by what they are, not by name."""

from collections.abc import Iterator
from typing import cast

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from finescale.errors import UserError

MATRICES = (nn.Linear, Conv1D)  # GPT-2 writes its linear layers as Conv1D


def blocks(decoder: PreTrainedModel) -> nn.ModuleList:
    """The decoder's blocks: the list of modules that holds most of its parameters."""
    lists = [part for part in decoder.base_model.modules() if isinstance(part, nn.ModuleList)]
    if not lists:
        raise UserError(f"{type(decoder).__name__} has no list of blocks: it cannot be tuned here")
    return max(lists, key=_size)


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def lora_targets(decoder: PreTrainedModel) -> list[str]:
    """The names by which peft finds every matrix inside of the blocks, and nothing else.

    Last parts of names, such as `q_proj`, where these are enough; else whole names. UserError where
    a block multiplies with weights that are no linear layer, as experts of a mixture are: LoRA
    would leave them out without a word.
    """
    inside = {module for module in blocks(decoder).modules() if isinstance(module, MATRICES)}
    names = {name: module for name, module in decoder.named_modules() if module in inside}
    if left_out := sorted(_other_matrices(decoder)):
        raise UserError(
            f"LoRA cannot tune {type(decoder).__name__}: {left_out[0]} is not a linear layer; "
            "use fmt or prompt"
        )
    last = {name.rpartition(".")[2] for name in names}
    found = {name for name, _ in decoder.named_modules() if name.rpartition(".")[2] in last}
    return sorted(last if found == set(names) else names)


def _other_matrices(decoder: PreTrainedModel) -> Iterator[str]:
    """Names of weights of two or more dimensions in the blocks that no linear layer holds."""
    for name, module in blocks(decoder).named_modules():
        if not isinstance(module, MATRICES):
            for own, parameter in module.named_parameters(recurse=False):
                if parameter.dim() > 1:
                    yield f"{name}.{own}"


def embedding_rows(decoder: PreTrainedModel) -> int:
    """Ids that a decoder can read; its tokenizer may have fewer."""
    weights = cast(nn.Embedding, decoder.get_input_embeddings()).weight
    return int(weights.shape[0])


def vocabulary_parameters(decoder: PreTrainedModel) -> int:
    """Parameters of embeddings, of learned positions too, and of an output layer of its own."""
    output = decoder.get_output_embeddings()
    parts = [part for part in decoder.modules() if isinstance(part, nn.Embedding) or part is output]
    return sum(weight.numel() for weight in {weight for p in parts for weight in p.parameters()})
