"""Makes the corpus builder importable, and reads the committed archive once."""

import json
import sys
import tarfile
from pathlib import Path

import pytest

RESOURCES = Path(__file__).parents[2] / "resources"
sys.path.insert(0, str(RESOURCES))

Members = dict[str, list[dict[str, str]]]


@pytest.fixture(scope="session")
def contents() -> dict[str, bytes]:
    """The bytes of every member of the embedded archive."""
    with tarfile.open(RESOURCES / "corpus.tar.xz") as archive:
        return {info.name: archive.extractfile(info).read() for info in archive}


@pytest.fixture(scope="session")
def members(contents: dict[str, bytes]) -> Members:
    """The records of every member of the embedded archive."""
    return {
        name: [json.loads(line) for line in data.decode().split("\n")[:-1]]
        for name, data in contents.items()
    }
