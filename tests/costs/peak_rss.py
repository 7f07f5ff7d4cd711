"""Train a model for two steps and say how many bytes more the process had at its peak.

`python peak_rss.py METHOD PET_SIZE PRECISION CHECKPOINTING`, with MALLOC_MMAP_THRESHOLD_ set, so
that freed memory goes back to the system at once. Linux alone.
"""

import re
import sys
from pathlib import Path

import torch

from finescale.models import TunedModel, attach, build_decoder
from finescale.training.adafactor import Adafactor
from finescale.training.loader import Batch
from finescale.training.loss import TargetLoss

SIZE = {"layers": 8, "heads": 8, "head_dim": 32, "ffn_dim": 1024, "model_dim": 256}
VOCABULARY = 16_000
ROWS, LENGTH, POSITIONS = 4, 256, 512
TINY = dict.fromkeys(SIZE, 8)


def train(tuned: TunedModel, vocabulary: int, precision: str, shape: tuple[int, int, int]) -> None:
    """Two steps: the second has the optimizer's state."""
    rows, length, positions = shape
    loss = TargetLoss(tuned.train())
    optimizer = Adafactor(tuned.trainable().values(), 1e-3, parameter_scaling=True)
    for _ in range(2):
        ids, places = torch.randint(3, vocabulary, (rows, length)), torch.arange(positions)
        batch = Batch(ids, places, ids.flatten()[places])
        with torch.autocast(
            "cpu", torch.bfloat16, enabled=precision == "bf16", cache_enabled=False
        ):
            (loss(batch) / positions).backward()
        optimizer.step()
        optimizer.zero_grad()


def resident(field: str) -> int:
    """Bytes that the process has in memory: VmRSS now, VmHWM at most."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{field}:\s+(\d+) kB", status)[1])


def main(method: str, pet_size: int, precision: str, checkpointing: bool) -> None:
    """Print the bytes; a tiny model goes first, because it loads what torch loads late."""
    torch.set_num_threads(1)
    train(attach(build_decoder(TINY, 64, 0), method, pet_size or None), 64, precision, (1, 8, 4))
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    tuned = attach(build_decoder(SIZE, VOCABULARY, 0), method, pet_size or None)
    tuned.use("sdpa", checkpointing)
    train(tuned, VOCABULARY, precision, (ROWS, LENGTH, POSITIONS))
    print(resident("VmHWM") - before)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] == "yes")
