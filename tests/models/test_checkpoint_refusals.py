"""Checkpoints made elsewhere that are refused, and their neighbours that are not."""

import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertLMHeadModel,
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from finescale.errors import UserError
from finescale.models.checkpoint import lay_out
from tests.models.conftest import FFN, HERE, WIDE, gpt2, llama, neox

NEVER_RUN = (
    "pytorch_model.bin is damaged or holds something else than tensors .* is never run: take"
)


class Payload:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('a checkpoint ran code')",))


def test_pickled_code_is_not_run(saved, checked, tmp_path):
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(pickle.dumps({"weight": Payload()}))
    with pytest.raises(UserError, match=NEVER_RUN):
        checked({"config.json": saved(llama())["config.json"], path.name: path})
    torch.save({"weight": Payload()}, path)
    (tmp_path / "model/config.json").unlink()
    (tmp_path / "model").rmdir()
    with pytest.raises(UserError, match=NEVER_RUN):
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
        ({"num_hidden_layers": 1}, "weights have no place in LlamaForCausalLM, model.layers.1"),
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


def with_extra(files, extra, prefix=""):
    """The weights as an old checkpoint has them: buffers beside them, a prefix less."""
    weights = load_file(files["model.safetensors"])
    weights = {name.removeprefix(prefix): weight for name, weight in weights.items()}
    save_file(weights | extra, files["model.safetensors"], metadata={"format": "pt"})
    return files


MASK, FILL = torch.ones(1, 1, 8, 8), torch.tensor(-1e9)
NEOX = "gpt_neox.layers.{}.attention."
OLD = {
    "pythia": (
        neox,
        "",
        {NEOX + "bias": MASK, NEOX + "masked_bias": FILL, NEOX + "rotary_emb.inv_freq": FILL[None]},
    ),
    "gpt2": (gpt2, "transformer.", {"h.{}.attn.bias": MASK, "h.{}.attn.masked_bias": FILL}),
}


@pytest.mark.parametrize("name", OLD)
def test_buffers_of_old_checkpoints_are_no_weights_that_a_model_has_no_place_for(
    saved, checked, name
):
    make, prefix, buffers = OLD[name]
    torch.manual_seed(0)
    model = make()
    ids = torch.arange(8)[None]
    extra = {key.format(n): value.clone() for key, value in buffers.items() for n in (0, 1)}
    decoder = checked(with_extra(saved(model), extra, prefix)).decoder
    assert torch.equal(decoder(ids).logits, model.eval()(ids).logits)


@pytest.mark.parametrize(
    ("name", "layers", "left_over"),
    [("pythia", "num_hidden_layers", "gpt_neox.layers.1."), ("gpt2", "n_layer", "h.1.")],
)
def test_old_checkpoints_with_blocks_left_over_are_refused(saved, checked, name, layers, left_over):
    make, prefix, buffers = OLD[name]
    extra = {key.format(n): value.clone() for key, value in buffers.items() for n in (0, 1)}
    files = changed(with_extra(saved(make()), extra, prefix), **{layers: 1})
    with pytest.raises(
        UserError, match=rf"1[12] weights have no place in .*, {left_over}"
    ) as found:
        checked(files)
    assert "masked_bias" not in str(found.value)


@pytest.mark.parametrize(
    "extra", ["model.layers.0.self_attn.q_proj.bias", "score.weight", "model.layers.0.mlp.gate.w"]
)
def test_any_weight_without_a_place_is_refused(saved, checked, extra):
    with pytest.raises(UserError, match=f"1 weights have no place in LlamaForCausalLM, {extra}"):
        checked(with_extra(saved(llama()), {extra: torch.ones(8)}))


def small(kind, **changes):
    """Models whose weights are so small that no cap of usual size is felt."""
    sizes = {**WIDE, **FFN, "initializer_range": 1e-3}
    if kind == "gemma2":
        return Gemma2ForCausalLM(Gemma2Config(**sizes, head_dim=8, **changes))
    if kind == "cohere":
        return CohereForCausalLM(CohereConfig(**sizes, **HERE, **changes))
    return GraniteForCausalLM(GraniteConfig(**sizes, **changes))


@pytest.mark.parametrize("kind", ["gemma2", "cohere"])
def test_caps_and_scales_of_default_size_are_seen_with_small_weights(saved, checked, kind):
    torch.manual_seed(0)
    with pytest.raises(UserError, match="scaled or soft-capped"):
        checked(saved(small(kind)))


@pytest.mark.parametrize(
    ("kind", "neutral"),
    [
        ("gemma2", {"final_logit_softcapping": None}),
        ("cohere", {"logit_scale": 1.0}),
        ("granite", {"logits_scaling": 1.0}),
    ],
)
def test_models_that_could_scale_their_logits_and_do_not_are_served(saved, checked, kind, neutral):
    torch.manual_seed(0)
    checked(saved(small(kind, **neutral)))


@pytest.mark.parametrize(
    "weight_map",
    [{"a": 1, "b": "model-1.safetensors"}, {"a": ["x"]}, {"a": None}, {}, ["a"], None],
)
def test_an_index_that_names_no_files_is_refused(saved, checked, tmp_path, weight_map):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    files = {"config.json": saved(llama())["config.json"], index.name: index}
    with pytest.raises(UserError, match=r"index.json has no `weight_map` from names of weights"):
        checked(files)


@pytest.mark.parametrize("content", ["code", "damaged", "whole model", "training state"])
def test_a_pickle_is_refused_without_advice_to_run_it(saved, checked, tmp_path, content):
    path = tmp_path / "pytorch_model.bin"
    torch.save(
        {
            "code": {"weight": Payload()},
            "damaged": {"weight": torch.ones(512)},
            "whole model": torch.nn.Linear(2, 2),
            "training state": {"model": {"weight": torch.ones(2)}, "step": 3},
        }[content],
        path,
    )
    if content == "damaged":
        path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=NEVER_RUN) as found:
        checked({"config.json": saved(llama())["config.json"], path.name: path})
    assert "weights_only" not in str(found.value) and "torch.load" not in str(found.value)
