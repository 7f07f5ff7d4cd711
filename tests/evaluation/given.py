"""Small models of other architectures with a tokenizer of their own, saved as transformers does."""

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

END, BEGIN = "<|endoftext|>", "<|begin|>"
CONTEXT = 96


def tokenizer_files(texts: Iterable[str], folder: Path, begin: bool) -> int:
    """Write a byte-level BPE tokenizer, with a bos of its own or without one; its size."""
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[END, BEGIN] if begin else [END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    named = {"eos_token": END, **({"bos_token": BEGIN} if begin else {})}
    PreTrainedTokenizerFast(tokenizer_object=model, **named).save_pretrained(folder)
    return model.get_vocab_size()


def config(kind: str, rows: int):
    """A tiny architecture with an embedding of so many rows."""
    shared = {"vocab_size": rows, "bos_token_id": 0, "eos_token_id": 0}
    wide = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    if kind == "llama":
        return LlamaConfig(
            **shared | {"bos_token_id": 1},
            **wide,
            num_key_value_heads=2,
            intermediate_size=48,
            max_position_embeddings=CONTEXT,
            initializer_range=0.3,
        )
    if kind == "neox":
        return GPTNeoXConfig(
            **shared,
            **wide,
            intermediate_size=64,
            rotary_pct=0.25,
            max_position_embeddings=CONTEXT,
            initializer_range=0.3,
            hidden_dropout=0.1,
        )
    return GPT2Config(
        **shared, n_embd=32, n_layer=2, n_head=4, n_positions=CONTEXT, initializer_range=0.3
    )


def save(kind: str, texts: Iterable[str], folder: Path, seed: int = 0) -> Path:
    """A model with random weights and its tokenizer; the embedding has more rows than ids."""
    size = tokenizer_files(texts, folder, begin=kind == "llama")
    torch.manual_seed(seed)
    built = config(kind, -(-size // 32) * 32)
    MODEL_FOR_CAUSAL_LM_MAPPING[type(built)](built).save_pretrained(folder)
    return folder
