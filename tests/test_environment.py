"""pyproject.toml, the lock for pip, the conda environment and the documented reasons agree."""

import importlib.util
import re
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
spec = importlib.util.spec_from_file_location("lock", ROOT / "envs" / "lock.py")
lock = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lock)


def locked_versions() -> dict[str, str]:
    lines = lock.LOCK.read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def needs(name: str, extras: frozenset[str]) -> set[tuple[str, frozenset[str]]]:
    """The requirements of an installed distribution that hold on this machine."""
    wanted = {"", *extras}
    requirements = [Requirement(text) for text in metadata.requires(name) or []]
    return {
        (lock.normalized(needed.name), frozenset(needed.extras))
        for needed in requirements
        if needed.marker is None
        or any(needed.marker.evaluate({"extra": extra}) for extra in wanted)
    }


def closure(requirements: list[str]) -> set[str]:
    """The names of all distributions that the requirements need, read from what is installed."""
    direct = [Requirement(text) for text in requirements]
    open_nodes = {(lock.normalized(one.name), frozenset(one.extras)) for one in direct}
    seen = set()
    while open_nodes:
        node = open_nodes.pop()
        if not lock.ACCELERATOR.match(node[0]):
            seen.add(node)
            open_nodes |= needs(*node) - seen
    return {name for name, _ in seen}


def documented() -> set[str]:
    text = (ROOT / "docs" / "dependencies.md").read_text()
    rows = re.findall(r"^\| ([\w-]+) \| .+ \|$", text, re.MULTILINE)
    return set(rows) - {"package"}


def test_direct_dependencies_are_pinned_as_locked():
    pins = dict(requirement.split("==") for requirement in lock.direct_requirements())
    versions = locked_versions()
    assert {name: versions.get(lock.normalized(name)) for name in pins} == pins


def test_lock_names_every_transitive_package_at_its_installed_version():
    needed = closure(lock.direct_requirements())
    installed = {name: metadata.version(name).split("+")[0] for name in needed}
    versions = locked_versions()
    assert {name: versions.get(name) for name in needed} == installed


def test_lock_is_what_the_generator_writes():
    assert lock.LOCK.read_text() == lock.lock_text(dict(sorted(locked_versions().items())))


def test_conda_environment_holds_the_same_pins():
    assert lock.CONDA.read_text() == lock.conda_text(locked_versions(), lock.python_version())
    python, _, pip = yaml.safe_load(lock.CONDA.read_text())["dependencies"]
    assert python == "python=3.11"
    assert pip["pip"] == [f"{name}=={version}" for name, version in locked_versions().items()]


@pytest.mark.parametrize("file", [lock.LOCK, lock.CONDA])
def test_no_machine_or_registry_is_named(file):
    assert not re.search(r"://|@|--(index|extra-index|find-links|trusted-host)", file.read_text())


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("nvidia-cublas-cu12", True),
        ("cuda-bindings", True),
        ("triton", True),
        ("tritonclient", False),
        ("torch", False),
    ],
)
def test_accelerator_packages_stay_out_of_the_lock(name, left_out):
    assert bool(lock.ACCELERATOR.match(name)) is left_out


def test_each_direct_dependency_has_its_reason():
    direct = {lock.normalized(text.split("==")[0]) for text in lock.direct_requirements()}
    assert documented() == direct
