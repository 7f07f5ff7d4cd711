"""profiles/default is loaded without being named, and Snakemake knows each of its flags."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROFILE = Path(__file__).parent.parent / "profiles" / "default"
SNAKEFILE = """
rule good:
    output: "good"
    params: text="first"
    shell: "echo {params.text} > good"

rule bad:
    output: "bad"
    log: "bad.log"
    shell: "echo the reason > {log}; exit 1"
"""


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    shutil.copytree(PROFILE, tmp_path / "profiles" / "default")
    return tmp_path


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_failed_job_shows_its_log_and_others_go_on(workflow):
    run = snakemake(workflow, "bad", "good")
    assert "profile profiles/default" in run.stderr
    assert run.returncode != 0
    assert "the reason" in run.stderr.splitlines()  # the log itself, not the shell command
    assert (workflow / "good").read_text() == "first\n"


def test_changed_parameters_do_not_rerun_a_job(workflow):
    assert snakemake(workflow, "good").returncode == 0
    (workflow / "Snakefile").write_text(SNAKEFILE.replace("first", "second"))
    assert "Nothing to be done" in snakemake(workflow, "good").stderr
    assert (workflow / "good").read_text() == "first\n"


def test_only_site_independent_flags():
    flags = yaml.safe_load((PROFILE / "config.yaml").read_text())
    assert not {"executor", "cores", "jobs", "default-resources", "configfile"} & set(flags)
