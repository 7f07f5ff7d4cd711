"""Small models of several architectures, and checkpoints of them."""

import pytest
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
)

from finescale.evaluation.serving import check_decoding
from finescale.models.checkpoint import check_use, lay_out, load_checked

WIDE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 64}
FFN = {"intermediate_size": 48, "num_key_value_heads": 2, "initializer_range": 0.3}
HERE = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def llama(**changes):
    return LlamaForCausalLM(LlamaConfig(**WIDE, **FFN, **changes))


def neox():
    return GPTNeoXForCausalLM(GPTNeoXConfig(**WIDE, intermediate_size=64, initializer_range=0.3))


def gpt2():
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 64, "n_positions": 64}
    return GPT2LMHeadModel(GPT2Config(**sizes, **HERE, initializer_range=0.3))


def opt():
    sizes = {"word_embed_proj_dim": 16, "ffn_dim": 48, "max_position_embeddings": 64}
    return OPTForCausalLM(OPTConfig(**WIDE, **sizes, **HERE, init_std=0.3))


def mistral():
    return MistralForCausalLM(MistralConfig(**WIDE, **FFN, sliding_window=4))


def bloom():
    return BloomForCausalLM(BloomConfig(**WIDE, initializer_range=0.3))


def experts():
    more = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    return Qwen2MoeForCausalLM(
        Qwen2MoeConfig(**WIDE, **FFN, **more, shared_expert_intermediate_size=16)
    )


def files_of(folder):
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture
def saved(tmp_path):
    """Files of a model, saved as transformers does."""

    def save(model, **options):
        model.save_pretrained(tmp_path / "given", **options)
        return files_of(tmp_path / "given")

    return save


@pytest.fixture
def checked(tmp_path):
    """What the stage does with files, as far as a model."""

    def check(files):
        lay_out(files, tmp_path / "model")
        model = load_checked(tmp_path / "model")
        check_use(model)
        check_decoding(model)
        return model

    return check
