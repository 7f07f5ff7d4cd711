"""Base models of other architectures trained by two processes, and interrupted."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM

from finescale.launch import Hardware
from tests.training.test_distributed import assert_same_end

CASES = Path(__file__).with_name("given_cases.py")
spec = importlib.util.spec_from_file_location("given_cases", CASES)
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)

WIDE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 80}
MADE = {
    # a bias of keys changes no attention: its gradient is rounding, and Adafactor scales it up
    "neox": lambda: GPTNeoXForCausalLM(
        GPTNeoXConfig(**WIDE, intermediate_size=48, attention_bias=False)
    ),
    "llama": lambda: LlamaForCausalLM(
        LlamaConfig(**WIDE, intermediate_size=48, tie_word_embeddings=True)
    ),
}


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Base models as the stage `checkpoint` leaves them."""
    root = tmp_path_factory.mktemp("bases")
    for name, make in MADE.items():
        torch.manual_seed(0)
        make().save_pretrained(root / name / "model")
        result = {"status": "ok", "reason": None}
        counts = {"model_parameters": 1, "non_embedding_parameters": 1}
        (root / name / "result.json").write_text(json.dumps(result | counts))
    return [root / name for name in MADE]


@pytest.fixture(scope="module")
def one(bases, tmp_path_factory):
    out = tmp_path_factory.mktemp("one")
    cases.run(out, bases, Hardware())
    return out


@pytest.fixture(scope="module")
def two(bases, tmp_path_factory):
    out = tmp_path_factory.mktemp("two")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, CASES, out, *bases],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("method", cases.tiny.METHODS)
@pytest.mark.parametrize("name", MADE)
def test_two_processes_end_where_one_does(one, two, name, method, strategy):
    case = f"{name}-{method}"
    assert_same_end(two / strategy / case, one / case, tolerance=1e-4)


@pytest.mark.parametrize("name", MADE)
def test_weights_that_are_tied_are_saved_once(one, name):
    saved = load_file(one / f"{name}-fmt" / "model" / "model.safetensors")
    heads = [key for key in saved if "lm_head" in key or "embed_out" in key]
    assert bool(heads) == (name == "neox")
