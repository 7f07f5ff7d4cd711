"""Checkpoints made elsewhere: what is laid out, what is refused, what is found by its type."""

import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertLMHeadModel,
    BloomConfig,
    BloomForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from finescale.errors import UserError
from finescale.evaluation.serving import check_decoding
from finescale.models import attach, build_decoder, count_parameters
from finescale.models.checkpoint import check_use, lay_out, load_checked
from finescale.models.structure import blocks, lora_targets

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


SERVED = {
    "llama": (llama, {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}),
    "neox": (neox, {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}),
    "bloom": (bloom, {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}),
    "gpt2": (gpt2, {"c_attn", "c_proj", "c_fc"}),
    "opt": (opt, {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"}),
    "mistral": (
        mistral,
        SEVEN := {f"{n}_proj" for n in ("q", "k", "v", "o", "gate", "up", "down")},
    ),
}


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


@pytest.mark.parametrize("name", SERVED)
def test_architectures_are_served_and_their_matrices_found(saved, checked, name):
    make, targets = SERVED[name]
    torch.manual_seed(0)
    model = checked(saved(make())).decoder
    assert set(lora_targets(model)) == targets
    assert len(blocks(model)) == 2
    tuned = attach(model, "lora", 3)
    adapted = {key.partition(".lora_")[0].rpartition("model.")[2] for key in tuned.trainable()}
    assert all(".lora_" in key for key in tuned.trainable())
    inside = [key for key, part in model.named_modules() if part in set(blocks(model).modules())]
    assert adapted and all(any(key.endswith(one) for key in inside) for one in adapted)


def test_of_our_own_decoder_lora_has_the_targets_it_always_had():
    size = {"layers": 2, "heads": 2, "head_dim": 8, "ffn_dim": 24, "model_dim": 16}
    model = build_decoder(size, 60, seed=1)
    assert set(lora_targets(model)) == SEVEN
    assert blocks(model) is model.model.layers
    assert count_parameters(model).non_embedding == count_parameters(model).total - 60 * 16


def test_an_output_layer_of_its_own_and_learned_positions_are_no_inner_parameters():
    own = count_parameters(neox())
    assert own.total - own.non_embedding == 2 * 64 * 32
    positions = count_parameters(gpt2())
    assert positions.total - positions.non_embedding == (64 + 64) * 32


def test_dropout_is_off_and_the_weights_are_the_same_bytes(saved, tmp_path):
    files = saved(gpt2())
    assert json.loads(files["config.json"].read_text())["resid_pdrop"] == 0.1
    lay_out(files, tmp_path / "model")
    config = json.loads((tmp_path / "model/config.json").read_text())
    assert {value for key, value in config.items() if "pdrop" in key} == {0.0}
    assert config["use_cache"] is False
    written = (tmp_path / "model/model.safetensors").read_bytes()
    assert written == files["model.safetensors"].read_bytes()


def test_weights_in_parts_and_pickled_weights_are_the_same_model(saved, checked, tmp_path):
    model = llama()
    expected = model(torch.arange(8)[None]).logits
    files = saved(model, max_shard_size="20KB")
    assert len([name for name in files if name.endswith(".safetensors")]) > 2
    assert torch.equal(checked(files).decoder(torch.arange(8)[None]).logits, expected)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    pickled = {
        "config.json": files["config.json"],
        "pytorch_model.bin": tmp_path / "pytorch_model.bin",
    }
    lay_out(pickled, tmp_path / "again")
    again = load_checked(tmp_path / "again").decoder
    assert torch.equal(again(torch.arange(8)[None]).logits, expected)


class Payload:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('a checkpoint ran code')",))


def test_pickled_code_is_not_run(saved, checked, tmp_path):
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(pickle.dumps({"weight": Payload()}))
    with pytest.raises(UserError, match=r"pytorch_model.bin holds something else than weights"):
        checked({"config.json": saved(llama())["config.json"], path.name: path})
    torch.save({"weight": Payload()}, path)
    (tmp_path / "model/config.json").unlink()
    (tmp_path / "model").rmdir()
    with pytest.raises(UserError, match=r"pytorch_model.bin holds something else than weights"):
        checked({"config.json": saved(llama())["config.json"], path.name: path})


def changed(files, **changes):
    content = json.loads(files["config.json"].read_text()) | changes
    files["config.json"].write_text(json.dumps(content))
    return files


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"auto_map": {"AutoModel": "code.Model"}}, "brings code of its own, which is never run"),
        ({"quantization_config": {"bits": 4}}, "take the weights as they were before"),
        ({"model_type": "nobody"}, "transformers has no model `nobody`"),
        ({"num_hidden_layers": 3}, "weights of LlamaForCausalLM are missing"),
        ({"intermediate_size": 40}, "weights of LlamaForCausalLM have other shapes"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(saved, checked, changes, message):
    with pytest.raises(UserError, match=message):
        checked(changed(saved(llama()), **changes))


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "the source has no config.json"),
        ("model.safetensors", "the source has no weights: list model.safetensors"),
    ],
)
def test_a_missing_file_is_named(saved, checked, missing, message):
    files = saved(llama())
    del files[missing]
    with pytest.raises(UserError, match=message):
        checked(files)


def test_a_missing_part_and_a_missing_weight_are_named(saved, checked, tmp_path):
    files = saved(llama(), max_shard_size="20KB")
    part = next(name for name in files if "00002" in name)
    del files[part]
    with pytest.raises(UserError, match=f"needs {part}: list all parts"):
        lay_out(files, tmp_path / "parts")
    whole = saved(llama())
    weights = load_file(whole["model.safetensors"])
    del weights["model.norm.weight"]
    save_file(weights, whole["model.safetensors"], metadata={"format": "pt"})
    whole = {name: whole[name] for name in ("config.json", "model.safetensors")}
    with pytest.raises(UserError, match=r"1 weights .* are missing, model.norm.weight the first"):
        checked(whole)


def test_damaged_weights_are_refused(saved, checked):
    model = llama()
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight.fill_(torch.inf)
    with pytest.raises(UserError, match="its weights are damaged"):
        checked(saved(model))


def other(kind):
    if kind == "t5":
        return T5ForConditionalGeneration(
            T5Config(d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4)
        )
    if kind == "bert":
        return BertLMHeadModel(BertConfig(**WIDE, intermediate_size=48, initializer_range=0.3))
    if kind == "gemma2":
        scale = {"final_logit_softcapping": 0.5, "head_dim": 8}
        return Gemma2ForCausalLM(Gemma2Config(**WIDE, **FFN, **scale))
    if kind == "granite":
        return GraniteForCausalLM(GraniteConfig(**WIDE, **FFN, logits_scaling=8.0))
    return MambaForCausalLM(MambaConfig(hidden_size=32, num_hidden_layers=2, vocab_size=64))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("t5", "`t5` is an encoder-decoder"),
        ("bert", "sees what comes after a token"),
        ("gemma2", "scaled or soft-capped"),
        ("granite", "scaled or soft-capped"),
        ("mamba", "MambaForCausalLM"),
    ],
)
def test_models_that_the_stages_would_misuse_are_refused(saved, checked, kind, message):
    torch.manual_seed(0)
    with pytest.raises(UserError, match=message):
        checked(saved(other(kind)))


def test_lora_refuses_experts_that_are_no_linear_layers(saved, checked):
    torch.manual_seed(0)
    model = checked(saved(experts())).decoder
    with pytest.raises(UserError, match=r"Qwen2MoeForCausalLM: .* is not a linear"):
        attach(model, "lora", 2)


def test_tuned_weights_of_another_architecture_are_read_by_plain_transformers(
    saved, checked, tmp_path
):
    model = checked(saved(gpt2()))
    model.save(
        tmp_path / "tuned", {key: value.detach() for key, value in model.trainable().items()}
    )
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "tuned")
    ids = torch.arange(8)[None]
    assert torch.equal(again(ids).logits, model.logits(model(ids)))
