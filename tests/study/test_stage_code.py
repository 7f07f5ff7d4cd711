"""A stage's version stands for its code: who changes the code has to say what follows."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from finescale.study.stages import STAGES

PROGRAM = Path(__file__).with_name("record_stage_code.py")
spec = importlib.util.spec_from_file_location("record_stage_code", PROGRAM)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def test_the_code_of_every_stage_is_the_recorded_one():
    todo = tool.changes(tool.read_record())
    assert not todo, "\n".join(todo.values())


def test_the_history_says_why():
    record = tool.read_record()
    assert list(record) == list(STAGES)
    for history in record.values():
        versions = [entry["version"] for entry in history]
        assert versions == sorted(versions)
        assert all(entry["note"].strip() for entry in history)


def test_every_stage_of_the_plan_has_its_program():
    programs = {path.stem for path in (tool.ROOT / "workflow" / "scripts").glob("*.py")}
    assert programs == set(STAGES)


FILES = {
    "workflow/scripts/pretrain.py": """
        from finescale.store import run_job
        def make(job):
            from finescale.training import train
            train()
    """,
    "src/finescale/store/__init__.py": "def run_job(): ...",
    "src/finescale/training/__init__.py": """
        from finescale.training.loop import train
        from finescale.training.other import unused
    """,
    "src/finescale/training/loop.py": """
        import finescale.models
        from finescale.training.state import save
        RATE = 0.1
        def train(): return save(RATE)
    """,
    "src/finescale/training/other.py": "def unused(): ...",
    "src/finescale/training/state.py": "def save(rate): return rate",
    "src/finescale/models.py": "SIZE = 1",
}


@pytest.fixture
def code(tmp_path):
    """A small repository with one stage, and how to replace text in its files."""
    for name, text in FILES.items():
        lines = text.strip("\n").splitlines()
        margin = len(lines[0]) - len(lines[0].lstrip())
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line[margin:] for line in lines) + "\n")
    return tool.Code(tmp_path)


def edit(code, name: str, old: str, new: str) -> None:
    path = code.root / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_a_stages_code_is_what_its_program_imports(code):
    names = [file.relative_to(code.root).as_posix() for file in code.files("pretrain")]
    assert names == [
        "src/finescale/models.py",
        "src/finescale/training/loop.py",
        "src/finescale/training/state.py",
        "workflow/scripts/pretrain.py",
    ]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("src/finescale/training/loop.py", "0.1", "0.2"),
        ("src/finescale/training/state.py", "return rate", "return 2 * rate"),
        ("src/finescale/models.py", "1", "2"),
        ("src/finescale/models.py", "1", "1.0"),
        ("workflow/scripts/pretrain.py", "    train()", "    train() + train()"),
    ],
)
def test_a_change_of_code_is_noticed(code, name, old, new):
    before = code.sha256("pretrain")
    edit(code, name, old, new)
    assert code.sha256("pretrain") != before


def test_a_change_of_a_template_is_noticed(code):
    template = code.root / "src" / "finescale" / "training" / "templates" / "page.html"
    template.parent.mkdir()
    template.write_text("<p>")
    before = code.sha256("pretrain")
    template.write_text("<b>")
    assert code.sha256("pretrain") != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("src/finescale/training/loop.py", "RATE = 0.1", '"""Text."""\n\nRATE = (0.10)  # ten'),
        ("src/finescale/training/loop.py", "train():", 'train():\n    """Train."""\n   '),
        ("src/finescale/training/state.py", "(rate):", "(rate: float) -> float:"),
        ("src/finescale/training/other.py", "...", "return 1"),
        ("src/finescale/store/__init__.py", "...", "return 1"),
    ],
)
def test_text_layout_types_and_other_code_are_not(code, name, old, new):
    before = code.sha256("pretrain")
    edit(code, name, old, new)
    assert code.sha256("pretrain") == before


def entry(version: int, sha256: str) -> dict:
    return {"version": version, "code_sha256": sha256, "note": "why"}


@pytest.mark.parametrize(
    ("version", "sha256", "said"),
    [
        (1, "a", None),
        (1, "b", 'Run `python tests/study/record_stage_code.py --same-results "why they do"`'),
        (1, "b", "Raise the version in src/finescale/study/stages.py"),
        (2, "b", "version 2 of stage fit is not recorded yet"),
        (0, "a", "went back from version 1 to 0"),
    ],
)
def test_the_message_says_what_to_do(version, sha256, said):
    todo = tool.change("fit", version, sha256, [entry(1, "z"), entry(1, "a")])
    assert todo is None if said is None else said in todo


@pytest.fixture
def checkout(tmp_path):
    """A copy of the code, its record taken, and the command that records."""
    for name in ("src/finescale", "workflow/scripts", "tests/study"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(tool.ROOT / name, tmp_path / name, ignore=ignored)

    def record(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, tmp_path / "tests/study/record_stage_code.py", *arguments],
            env={"PYTHONPATH": str(tmp_path / "src")},
            capture_output=True,
            text=True,
        )

    (tmp_path / "tests/study/stage_code.json").unlink(missing_ok=True)
    assert record().returncode == 0
    return tmp_path, record


def test_the_command_wants_a_reason_or_a_new_version(checkout):
    root, record = checkout
    taken = (root / "tests/study/stage_code.json").read_text()
    assert "recorded" not in record().stdout
    fit = root / "workflow/scripts/fit.py"
    fit.write_text(fit.read_text() + "\nprint(1)\n")
    refused = record()
    assert refused.returncode == 1
    assert "the code of stage fit changed, its version did not" in refused.stderr
    assert (root / "tests/study/stage_code.json").read_text() == taken

    assert record("--same-results", "only prints").stdout == (
        f"recorded: fit, version {STAGES['fit']}, only prints\n"
    )
    stages = root / "src/finescale/study/stages.py"
    stages.write_text(stages.read_text().replace('"tokens": 1', '"tokens": 2'))
    assert record().stdout == "recorded: tokens, version 2, version 2\n"
    assert record().stdout == ""
