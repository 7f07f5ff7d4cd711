"""What programs say to SLURM, by commands that write down how they were called."""

import pytest

from finescale import slurm


@pytest.fixture
def said(monkeypatch, tmp_path):
    """Stand-ins for SLURM's commands in a job of number 7; returns what they were told."""
    record = tmp_path / "said"
    for name in ("scontrol", "scancel"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> {record}\nexit 1\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    for name in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    return lambda: record.read_text().splitlines() if record.exists() else []


def test_a_job_gets_the_name_of_its_artifact(said):
    slurm.name_job("fmt on XXS, 32 examples")
    assert said() == ["scontrol update JobId=7 Comment=fmt on XXS, 32 examples"]


def test_an_interrupted_job_is_cancelled(said):
    slurm.cancel_job()
    assert said() == ["scancel 7"]


def test_of_several_processes_the_leading_one_cancels(said, monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setenv("SLURM_LOCALID", "0")
    monkeypatch.setenv("SLURM_PROCID", "1")
    slurm.cancel_job()
    assert said() == []
    monkeypatch.setenv("SLURM_PROCID", "0")
    slurm.cancel_job()
    assert said() == ["scancel 7"]


def test_outside_of_a_job_nothing_is_said(said, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID")
    slurm.name_job("fmt on XXS")
    slurm.cancel_job()
    assert said() == []


def test_a_job_goes_on_without_the_commands(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    slurm.name_job("fmt on XXS")
    slurm.cancel_job()
