"""Studies as their config files describe them, and the plans that follow."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from finescale.study.build import plan_study
from finescale.study.plan import Plan
from finescale.study.source_files import read_sources
from finescale.study.sources import Sources

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
SOURCES = ROOT / "config" / "sources.yaml"


@pytest.fixture(scope="session")
def schema() -> Path:
    return SCHEMA


@pytest.fixture(scope="session")
def config_files() -> dict[str, Any]:
    names = ("smoke", "demo", "paper")
    return {name: yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()) for name in names}


@pytest.fixture
def smoke(config_files) -> dict[str, Any]:
    return copy.deepcopy(config_files["smoke"])


@pytest.fixture
def demo(config_files) -> dict[str, Any]:
    return copy.deepcopy(config_files["demo"])


@pytest.fixture
def paper(config_files) -> dict[str, Any]:
    return copy.deepcopy(config_files["paper"])


@pytest.fixture(scope="session")
def plan() -> Callable[..., Plan]:
    """Plan a config: `plan(config)`, or with another sources file."""

    def make(config: Any, sources: Path = SOURCES) -> Plan:
        return plan_study(config, SCHEMA, sources, "config/study.yaml")

    return make


@pytest.fixture
def sources_with(tmp_path) -> Callable[[Callable[[dict], None]], Path]:
    """A copy of config/sources.yaml with a change in its members of the embedded corpus."""

    def write(change: Callable[[dict], None]) -> Path:
        entries = yaml.safe_load(SOURCES.read_text())
        change(entries["help-corpus"])
        path = tmp_path / "sources.yaml"
        path.write_text(yaml.safe_dump(entries))
        return path

    return write


@pytest.fixture
def declare(tmp_path: Path) -> Callable[..., Sources]:
    """Sources of some entries: `declare(name=entry)`, with a lock where one is given."""

    def declare(lock: dict | None = None, **entries: dict) -> Sources:
        file = tmp_path / "config/sources.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(yaml.safe_dump(entries))
        if lock is not None:
            (tmp_path / "config/sources.lock.json").write_text(json.dumps(lock))
        return read_sources(file, tmp_path)

    return declare
