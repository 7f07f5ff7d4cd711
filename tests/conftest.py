"""Settings for all tests: repeatable, offline, one thread each, fast tests first."""

import os
import signal

import pytest
from hypothesis import settings

# Read when the libraries are imported, and by the programs that tests start.
os.environ.update(
    OMP_NUM_THREADS="1",
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    TQDM_DISABLE="1",
    TOKENIZERS_PARALLELISM="false",
    MPLBACKEND="Agg",
)

# A shell's background jobs ignore interrupts, and so would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples on every run; no deadline, because machines differ; no database of failures.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


def is_slow(item: pytest.Item) -> bool:
    """Say whether a test is marked slow or runs the pipeline."""
    return bool(item.get_closest_marker("slow")) or item.nodeid.startswith("tests/pipeline/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow tests last, so that most mistakes show within seconds."""
    items.sort(key=is_slow)
