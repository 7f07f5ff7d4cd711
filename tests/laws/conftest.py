"""Points on whole grids, made from known laws."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def grids() -> ModuleType:
    """tests/laws/grids.py."""
    spec = importlib.util.spec_from_file_location("grids", Path(__file__).with_name("grids.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
