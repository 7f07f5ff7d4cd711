"""The decoder at Table 3's sizes, and what is written and read of it."""

import pytest
import torch

from finescale.models import build_decoder, load_decoder, parameter_counts, save_decoder

KEYS = ("layers", "heads", "head_dim", "ffn_dim", "model_dim")
TINY = dict(zip(KEYS, (2, 2, 8, 32, 16), strict=True))
TABLE_3 = {
    1.481: (16, 8, 256, 8192, 2048),
    2.517: (20, 10, 256, 10240, 2560),
    3.995: (24, 12, 256, 12288, 3072),
    8.632: (32, 16, 256, 16384, 4096),
    16.096: (40, 20, 256, 20480, 5120),
}


@pytest.mark.parametrize(("billions", "size"), TABLE_3.items())
def test_parameters_of_table_3(billions, size):
    layers, heads, head_dim, ffn_dim, model_dim = size
    counts = parameter_counts(dict(zip(KEYS, size, strict=True)), vocab_size=256_000)
    attention = model_dim * head_dim * (2 * heads + 2)  # query and output; one key, one value
    block = attention + 3 * model_dim * ffn_dim + 2 * model_dim  # gated feed-forward; two norms
    assert counts.non_embedding == layers * block + model_dim
    assert counts.total == counts.non_embedding + 256_000 * model_dim
    assert round(counts.total / 1e9, 3) == billions


def test_initial_scale_does_not_depend_on_width():
    for width in (16, 64):
        model = build_decoder({**TINY, "model_dim": width}, vocab_size=2000, seed=0)
        assert model.model.embed_tokens.weight.std().item() == pytest.approx(width**-0.5, rel=0.05)
        ids = torch.arange(5, 1500)
        assert model.model.embed_tokens(ids).std().item() == pytest.approx(1, rel=0.05)


def test_initialisation_is_a_function_of_the_seed_and_leaves_the_global_generator_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first, second, other = (build_decoder(TINY, 50, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)


def test_saved_decoder_is_read_bit_for_bit_with_tied_embeddings(tmp_path):
    model = build_decoder(TINY, 50, seed=1)
    save_decoder(model, tmp_path / "a")
    save_decoder(load_decoder(tmp_path / "a"), tmp_path / "b")
    again = load_decoder(tmp_path / "b")
    ids = torch.arange(5, 25)[None]
    assert torch.equal(model(ids).logits, again(ids).logits)
    assert again.lm_head.weight is again.model.embed_tokens.weight
    assert not again.config.use_cache
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
