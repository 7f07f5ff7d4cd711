"""The tiny training program as a module, and one base model made with it."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """tests/training/tiny.py, which is also a program that tests start."""
    spec = importlib.util.spec_from_file_location("tiny", Path(__file__).with_name("tiny.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def base(tiny, tmp_path_factory) -> Path:
    """A pretrained tiny model."""
    out = tmp_path_factory.mktemp("base")
    assert tiny.pretrain_tiny(out, tmp_path_factory.mktemp("resume"))["status"] == "ok"
    return out
