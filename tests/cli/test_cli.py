"""The `finescale` command as a whole."""

import subprocess
import sys
from pathlib import Path

import pytest

from finescale.cli import main

FINESCALE = Path(sys.executable).with_name("finescale")


def test_help_lists_every_command_below_its_group(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    groups = {
        "scaling laws from a table of finetuning runs:": ["fit", "advise", "design"],
        "questions about a store of results:": ["verify", "trace", "invalidate", "gc", "store"],
    }
    for title, names in groups.items():
        start = lines.index(title)
        listed = [line.split()[0] for line in lines[start + 1 : lines.index("", start)]]
        assert listed == names


def test_no_command_is_answered_with_the_usage():
    done = subprocess.run([FINESCALE], capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage: finescale" in done.stderr


def test_asking_for_help_loads_nothing_heavy():
    program = "import sys, finescale.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "finescale.cli" in done.stdout.split()
    assert not {"numpy", "scipy", "matplotlib", "torch"} & set(done.stdout.split())


@pytest.mark.parametrize("command", ["fit", "advise", "design"])
def test_the_help_of_a_command_ends_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert f"example:\n  finescale {command} resources/example_points.csv" in out
    assert "--json" in out.partition("example:")[2]
