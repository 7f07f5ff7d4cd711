"""Points made from known laws."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def beside(name: str) -> ModuleType:
    """A module of this folder that is no test."""
    file = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def grids() -> ModuleType:
    """tests/laws/grids.py."""
    return beside("grids")


@pytest.fixture(scope="session")
def designs() -> ModuleType:
    """tests/laws/designs.py."""
    return beside("designs")


@pytest.fixture(scope="session")
def known() -> ModuleType:
    """tests/laws/known.py."""
    return beside("known")
