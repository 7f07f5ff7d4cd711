"""Which device a process takes; where there is no GPU, one is made up."""

import pytest
import torch

from finescale.errors import UserError
from finescale.models import find_device, refuse_shared


@pytest.fixture
def visible(monkeypatch):
    """Let torch see so many CUDA devices."""

    def show(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return show


def test_the_cpu_is_always_there(visible):
    visible(4)
    assert find_device("cpu", 9) == torch.device("cpu")


@pytest.mark.parametrize(
    ("count", "local_rank", "index"), [(1, 0, 0), (4, 3, 3), (1, 3, 0)], ids=str
)
def test_each_process_takes_its_own(visible, count, local_rank, index):
    visible(count)  # the last: a scheduler shows each process its own device alone
    assert find_device("gpu", local_rank) == torch.device("cuda", index)


@pytest.mark.parametrize(("count", "local_rank", "shown"), [(0, 0, "no"), (2, 2, "2")])
def test_too_few_are_refused(visible, count, local_rank, shown):
    visible(count)
    with pytest.raises(UserError, match=f"shows {shown} CUDA device.* number {local_rank + 1} of"):
        find_device("gpu", local_rank)


def test_no_two_processes_share_one():
    refuse_shared(["", "", "a GPU 1", "b GPU 1", "a GPU 2"])
    with pytest.raises(UserError, match="two processes have to share a GPU 1"):
        refuse_shared(["a GPU 1", "b GPU 1", "a GPU 1"])
