"""Outputs with everything that outputs may have, and a tiny model in BLEURT's layout."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

GERMAN = (
    [
        "Das Haus am Fluss hat eine rote Tür.",
        "Klicken Sie auf „Öffnen“.",
        "Größe",
        "Der Rest, z. B.",
    ],
    ["Das Haus hat am Fluss eine Tür.", "", "Grüße", "the the the the the the"],
)
CHINESE = (
    ["河边的房子有一扇红门。", "单击“打开”。", "LibreOffice 设置", "窗边有一只鸟在唱歌。"],
    ["河边有一扇红门。", "单击", " LibreOffice  设定 ", ""],
)


@pytest.fixture(params=["de", "zh"])
def corpus(request: pytest.FixtureRequest) -> tuple[str, list[str], list[str]]:
    """Target language, references and outputs."""
    return (request.param, *{"de": GERMAN, "zh": CHINESE}[request.param])


@pytest.fixture(scope="session")
def tiny_bleurt() -> ModuleType:
    """tests/metrics/tiny_bleurt.py."""
    file = Path(__file__).with_name("tiny_bleurt.py")
    spec = importlib.util.spec_from_file_location("tiny_bleurt", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def bleurt_folder(tiny_bleurt: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as BLEURT-20's PyTorch copy; nothing may write into it."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny_bleurt.write(folder)
    return folder
