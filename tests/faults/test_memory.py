"""Out of memory: one message that names the job and what to change; nothing is published."""

import errno
import os

import numpy as np
import pytest
import torch

from finescale.store import jobs

HOST = [
    MemoryError(),
    OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
    RuntimeError(
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8"
    ),
]
DEVICE = [
    torch.cuda.OutOfMemoryError("Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0)"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


def message(workshop, monkeypatch, error) -> str:
    """What a stage program says and leaves with when making its artifact raises the error."""

    def make(job):
        (job.out / "data").write_text("half")
        raise error

    _, program, *arguments = map(str, workshop.command(workshop.recipe()))
    monkeypatch.setattr("sys.argv", [program, *arguments])
    with pytest.raises(SystemExit) as leaving:
        jobs.run_job(make)
    assert list(workshop.store.root.glob("toy/*")) == []
    return leaving.value.code


@pytest.mark.parametrize("error", HOST, ids=repr)
def test_the_hosts_memory(workshop, monkeypatch, error):
    said = message(workshop, monkeypatch, error)
    assert said.startswith(f"error: toy {workshop.recipe().digest[:20]} ran out of host memory (")
    assert "Nothing was published" in said
    assert "--set-resources toy:mem_mb" in said


@pytest.mark.parametrize("error", DEVICE, ids=repr)
def test_a_devices_memory(workshop, monkeypatch, error):
    said = message(workshop, monkeypatch, error)
    assert "ran out of device memory (" in said
    assert str(error) in said
    assert "lower `micro_batch_tokens` or set `activation_checkpointing: true`" in said


def test_an_error_under_another_one(workshop, monkeypatch):
    error = RuntimeError("the trainer stopped")
    error.__cause__ = torch.cuda.OutOfMemoryError("no room")
    assert "ran out of device memory (OutOfMemoryError: no room)" in message(
        workshop, monkeypatch, error
    )


def test_other_errors_keep_their_traceback(workshop, monkeypatch):
    with pytest.raises(RuntimeError, match="shapes"):
        message(workshop, monkeypatch, RuntimeError("shapes do not match"))


def test_libraries_say_what_is_looked_for():
    for allocate in (lambda: np.zeros(1 << 60, np.uint8), lambda: torch.empty(1 << 60)):
        with pytest.raises((MemoryError, RuntimeError)) as error:
            allocate()
        assert jobs.out_of_memory(error.value)


@pytest.mark.slow
def test_a_training_with_too_little_memory_and_the_remedy(bench):
    recipe = bench.changed("pretrain", batch_sequences=4096, tokens=32 * 4096 * 2)
    status, log = bench.run(recipe, mebibytes=200)
    assert status == 1
    assert "error: pretrain tiny ran out of host memory (" in log
    assert "--set-resources pretrain:mem_mb=MB" in log
    assert "Traceback" not in log
    assert "diverged" not in log
    assert not bench.store.folder(recipe.reference).exists()
    assert list(bench.store.root.glob("*/.tmp-*")) == []
    status, log = bench.run(recipe, "--micro-batch-tokens=4096", mebibytes=200)
    assert status == 0, log
