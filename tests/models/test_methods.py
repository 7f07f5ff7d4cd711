"""What each tuning method trains, computes and saves."""

import json
import os

import numpy as np
import pytest
import torch
from peft import PeftModel

from finescale.models import (
    attach,
    build_decoder,
    load_decoder,
    load_tuned,
    save_decoder,
    tuned_parameters,
)

TINY = {"layers": 2, "heads": 2, "head_dim": 8, "ffn_dim": 24, "model_dim": 16}
VOCABULARY = 60
METHODS = [("fmt", None), ("lora", 3), ("prompt", 5)]


def tuned(method, size, **options):
    """A tuned model whose trainable parameters are no longer as initialised."""
    model = attach(build_decoder(TINY, VOCABULARY, seed=1), method, size, **options)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def test_what_trains():
    decoder = build_decoder(TINY, VOCABULARY, seed=1)
    everything = sum(parameter.numel() for parameter in decoder.parameters())
    assert tuned_parameters(attach(decoder, "fmt")) == everything
    d, ffn, q, kv = 16, 24, 16, 8
    matrices = [(d, q), (d, kv), (d, kv), (q, d), (d, ffn), (d, ffn), (ffn, d)]
    expected = 2 * sum(3 * (rows + columns) for rows, columns in matrices)  # two layers, rank 3
    assert tuned_parameters(tuned("lora", 3)) == expected
    assert tuned_parameters(tuned("prompt", 5)) == 5 * d


@pytest.mark.parametrize(("method", "size"), METHODS)
def test_gradients_reach_what_trains_and_nothing_else(method, size):
    model = tuned(method, size)
    model.logits(model(torch.arange(5, 20)[None])).square().sum().backward()
    trainable = model.trainable()
    assert all(parameter.grad.abs().sum() > 0 for parameter in trainable.values())
    frozen = dict(model.model.named_parameters()).keys() - trainable.keys()
    assert all(model.model.get_parameter(name).grad is None for name in frozen)


def test_lora_starts_as_the_base_model_and_has_scale_one_at_every_rank():
    ids = torch.arange(5, 20)[None]
    base = attach(build_decoder(TINY, VOCABULARY, seed=1), "fmt")
    fresh = attach(build_decoder(TINY, VOCABULARY, seed=1), "lora", 4)
    torch.testing.assert_close(fresh(ids), base(ids))
    for rank in (1, 4, 16):
        model = tuned("lora", rank)
        layer = model.decoder.model.layers[0].mlp.up_proj
        x = torch.randn(3, 16)
        update = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
        torch.testing.assert_close(layer(x), x @ (layer.base_layer.weight + update).T)


def test_prompt_starts_from_scaled_embeddings_of_distinct_content_ids():
    content = np.arange(40, 60)
    decoder = build_decoder(TINY, VOCABULARY, seed=1)
    model = attach(decoder, "prompt", 12, content_ids=content, seed=4)
    rows = decoder.model.embed_tokens(torch.from_numpy(content))
    matches = (model.prompt[:, None] == rows[None]).all(-1)
    assert matches.sum(1).tolist() == [1] * 12
    assert matches.sum(0).max() == 1
    again = attach(build_decoder(TINY, VOCABULARY, seed=1), "prompt", 12, content, seed=4)
    assert torch.equal(model.prompt, again.prompt)
    other = attach(build_decoder(TINY, VOCABULARY, seed=1), "prompt", 12, content, seed=5)
    assert not torch.equal(model.prompt, other.prompt)
    assert len(attach(decoder, "prompt", 50, content_ids=content).prompt) == 50


def test_lora_initialisation_is_a_function_of_the_seed():
    def weights(seed):
        model = attach(build_decoder(TINY, VOCABULARY, seed=1), "lora", 4, seed=seed)
        return torch.cat([p.flatten() for p in model.trainable().values()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize(("method", "size"), METHODS[1:])
def test_plain_peft_computes_the_same_row_by_row(method, size, tmp_path):
    base = tmp_path / "base"
    save_decoder(build_decoder(TINY, VOCABULARY, seed=1), base)
    model = tuned(method, size)
    model.save(tmp_path / "adapter")
    with pytest.warns(FutureWarning, match="is_gradient_checkpointing"):  # peft's own affair
        plain = PeftModel.from_pretrained(load_decoder(base), str(tmp_path / "adapter"))
    rows = [torch.arange(5, 5 + length) for length in (4, 11, 7)]
    batch = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    logits = model.logits(model(batch))
    skip = size if method == "prompt" else 0
    for k, row in enumerate(rows):
        expected = plain(input_ids=row[None]).logits[0, skip:]
        torch.testing.assert_close(logits[k, : len(row)], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("method", "size"), METHODS)
def test_load_tuned_reads_what_save_wrote(method, size, tmp_path):
    save_decoder(build_decoder(TINY, VOCABULARY, seed=1), tmp_path / "base")
    model = tuned(method, size)
    model.save(tmp_path / "tuned")
    again = load_tuned(method, tmp_path / "tuned", tmp_path / "base")
    ids = torch.arange(5, 20)[None]
    assert torch.equal(model(ids), again(ids))


@pytest.mark.parametrize(("method", "size"), METHODS[1:])
def test_adapter_holds_the_adapter_alone_and_no_path(method, size, tmp_path):
    model = tuned(method, size, base_name="pretrain/0123")
    model.save(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["adapter_config.json", "adapter_model.safetensors"]
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "pretrain/0123"
    assert str(tmp_path) not in json.dumps(config)
    assert (tmp_path / "adapter_model.safetensors").stat().st_size < 4 * tuned_parameters(
        model
    ) + 100 * (1 + len(model.trainable()) * 2)


def test_adapter_config_does_not_follow_the_order_of_a_python_set(tmp_path):
    tuned("lora", 2).save(tmp_path)
    modules = json.loads((tmp_path / "adapter_config.json").read_text())["target_modules"]
    assert len(modules) == 7
    assert modules == sorted(modules)
