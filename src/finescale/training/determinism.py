"""The same seed, the same bytes."""

import os

import torch


def make_deterministic() -> None:
    """One thread and deterministic kernels: the same seed gives the same bytes."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # every tensor is written before it is read; filling it first costs a few percent
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
