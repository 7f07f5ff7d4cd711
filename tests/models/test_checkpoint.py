"""Checkpoints made elsewhere: what is laid out, and what is found by its type."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from finescale.errors import UserError
from finescale.models import attach, build_decoder, count_parameters
from finescale.models.checkpoint import lay_out, load_checked
from finescale.models.structure import blocks, lora_targets
from tests.models.conftest import bloom, experts, gpt2, llama, mistral, neox, opt

SEVEN = {f"{name}_proj" for name in ("q", "k", "v", "o", "gate", "up", "down")}
SERVED = {
    "llama": (llama, SEVEN),
    "neox": (neox, {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}),
    "bloom": (bloom, {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}),
    "gpt2": (gpt2, {"c_attn", "c_proj", "c_fc"}),
    "opt": (opt, {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"}),
    "mistral": (mistral, SEVEN),
}


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


def test_pickled_weights_in_parts_are_the_same_model(saved, checked, tmp_path):
    model = llama()
    files = {"config.json": saved(model)["config.json"]}
    places = {name: f"pytorch_model-{n % 2}.bin" for n, name in enumerate(model.state_dict())}
    for part in set(places.values()):
        held = {name: model.state_dict()[name] for name in places if places[name] == part}
        torch.save(held, tmp_path / part)
        files[part] = tmp_path / part
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    decoder = checked({**files, index.name: index}).decoder
    ids = torch.arange(8)[None]
    assert torch.equal(decoder(ids).logits, model(ids).logits)
