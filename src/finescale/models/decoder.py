"""The decoder: transformers' Gemma classes at the sizes of the paper's Table 3.

Gemma is that block to the letter: multi-query attention (one key/value head), gated feed-forward
network, rotary positions, RMSNorm before each sublayer, embeddings tied to the output layer. What
others trained can be any causal language model of transformers, as `models.checkpoint` leaves it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GemmaConfig,
    GemmaForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.initialization import no_init_weights
from transformers.utils import logging

from finescale.models.structure import vocabulary_parameters

PAD, EOS, BOS = 0, 1, 2  # the same in every tokenizer of the project

logging.disable_progress_bar()  # saving ten tensors needs no bar


@dataclass(frozen=True)
class ParameterCounts:
    """Parameters of a decoder; the tied embedding counts once in `total`."""

    total: int
    non_embedding: int


def decoder_config(size: Mapping[str, int], vocab_size: int) -> GemmaConfig:
    """The configuration of a decoder.

    `size` has the keys layers, heads, head_dim, ffn_dim, model_dim. Weights start with standard
    deviation model_dim^-0.5, which gives unit-scale embeddings and logits at any width; Gemma's
    own 0.02 suits a width of 2,500 and leaves narrow models almost untrainable.
    """
    return GemmaConfig(
        vocab_size=vocab_size,
        hidden_size=size["model_dim"],
        intermediate_size=size["ffn_dim"],
        num_hidden_layers=size["layers"],
        num_attention_heads=size["heads"],
        num_key_value_heads=1,
        head_dim=size["head_dim"],
        initializer_range=size["model_dim"] ** -0.5,
        pad_token_id=PAD,
        eos_token_id=EOS,
        bos_token_id=BOS,
        use_cache=False,  # with a cache, packed or teacher-forced rows are silently wrong
    )


def build_decoder(size: Mapping[str, int], vocab_size: int, seed: int) -> GemmaForCausalLM:
    """A freshly initialised float32 decoder, a function of `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GemmaForCausalLM(decoder_config(size, vocab_size))


def hollow_decoder(config: PreTrainedConfig) -> PreTrainedModel:
    """A decoder whose weights are still to be filled in.

    The system gives memory on first use, so it takes none until then.
    """
    with no_init_weights():
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.tie_weights()
    return model


def count_parameters(model: PreTrainedModel) -> ParameterCounts:
    """Parameters of a model that is not wrapped by a tuning method."""
    total = sum(parameter.numel() for parameter in model.parameters())
    return ParameterCounts(total, total - vocabulary_parameters(model))


def parameter_counts(size: Mapping[str, int], vocab_size: int) -> ParameterCounts:
    """Parameters of a decoder of this size, counted without allocating its weights."""
    with torch.device("meta"):
        return count_parameters(GemmaForCausalLM(decoder_config(size, vocab_size)))


def save_decoder(
    model: PreTrainedModel, folder: Path, weights: dict[str, Tensor] | None = None
) -> None:
    """Write config.json and model.safetensors as transformers reads them.

    `weights` are the model's own by name, tied ones once, where it does not hold them itself.
    """
    if weights is not None:
        weights = weights | _buffers(model)
    model.save_pretrained(folder, state_dict=weights)


def _buffers(model: PreTrainedModel) -> dict[str, Tensor]:
    """What a checkpoint holds besides weights; nothing in most models."""
    weights = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return {name: value for name, value in model.state_dict().items() if name not in weights}


def read_config(folder: Path) -> PreTrainedConfig:
    """The configuration of a decoder that `save_decoder` wrote."""
    return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def load_decoder(folder: Path) -> PreTrainedModel:
    """Read a decoder that `save_decoder` wrote, in float32 whatever the file holds."""
    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, trust_remote_code=False
    )
