"""The shipped studies, their plans, and what their jobs cost."""

import copy
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from finescale.costs import Costs, read_hardware
from finescale.study.build import plan_study
from finescale.study.config import complete_config
from finescale.study.plan import Plan
from finescale.study.source_files import read_sources

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
SOURCES = ROOT / "config" / "sources.yaml"


@pytest.fixture
def root() -> Path:
    return ROOT


@pytest.fixture(autouse=True)
def shipped_site(monkeypatch) -> None:
    """The repository's settings of a cluster, whatever the environment says."""
    monkeypatch.delenv("FINESCALE_SITE", raising=False)


@pytest.fixture(scope="session")
def _files() -> dict[str, Any]:
    names = ("smoke", "demo", "paper")
    return {name: yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()) for name in names}


@pytest.fixture
def config(_files) -> Callable[[str], dict[str, Any]]:
    """A shipped study's config, to be changed at will."""
    return lambda name: copy.deepcopy(_files[name])


@pytest.fixture(scope="session")
def plan() -> Callable[[Any], Plan]:
    return lambda config: plan_study(config, SCHEMA, SOURCES, "config/study.yaml")


@pytest.fixture
def costs(plan) -> Callable[..., Costs]:
    """The costs of a config's jobs on a GPU kind; of its plan, unless another is given."""

    def make(config: Any, gpu: str = "h100", store: Path | None = None) -> Costs:
        hardware = read_hardware(complete_config(config, SCHEMA, "config"), ROOT, gpu)
        return Costs(plan(config), hardware, read_sources(SOURCES, ROOT), store)

    return make


@pytest.fixture(scope="session")
def tensors() -> ModuleType:
    """tests/costs/tensors.py."""
    spec = importlib.util.spec_from_file_location("tensors", Path(__file__).with_name("tensors.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
