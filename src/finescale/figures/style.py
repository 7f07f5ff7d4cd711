"""One look for every figure, and files that are the same bytes on every run."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from finescale.counts import format_count as format_count
from finescale.numbers import format_interval as format_interval
from finescale.numbers import format_number as format_number

METHOD_TITLES = {"fmt": "FMT", "prompt": "Prompt", "lora": "LoRA"}
FACTOR_TITLES = {
    "llm_model_size": "LLM model size",
    "pretraining_tokens": "Pretraining data size",
    "pet_parameter_size": "PET parameter size",
    "finetuning_examples": "Finetuning data size",
}
LOSS_LABEL = "test log-perplexity\n(nats per target token)"
PAGE_WIDTH = 7.2  # inches: the text width of a printed page

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.1,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.hashsalt": "finescale",
    "savefig.dpi": 200,
}
METADATA: dict[str, dict[str, Any]] = {  # no dates or versions
    ".pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
}


STAMP: dict[str, Any] = {"color": "#b00020", "fontsize": 8, "fontweight": "bold", "gid": "stamp"}
STAMP_MARGIN = 0.06  # inches, on all sides of the stamp
_stamp: ContextVar[str] = ContextVar("stamp", default="")


@contextmanager
def styled(stamp: str = "") -> Iterator[None]:
    """A context in which matplotlib draws in this style.

    What `save` writes in it has the `stamp`, if one is given, in a strip above the drawing.
    """
    token = _stamp.set(stamp)
    try:
        with rc_context(STYLE):
            yield
    finally:
        _stamp.reset(token)


def sequential(count: int) -> list[str]:
    """Colours for `count` ordered values, dark to light (viridis: readable when colour-blind).

    Its palest part is left out, since it would not show as a line or as text on white.
    """
    return [to_hex(colormaps["viridis"](place)) for place in np.linspace(0, 0.77, max(count, 2))]


def method_title(method: str) -> str:
    """What people call a method; another than the paper's is called by its name."""
    return METHOD_TITLES.get(method, method)


def format_loss(value: float | None) -> str:
    """Nats: two digits, but nothing finer than 0.0001, which no measurement can tell from 0."""
    return "<0.0001" if value is not None and value < 1e-4 else format_number(value)


def format_deviations(fitted: float | None, held_out: float | None) -> str:
    """Mean absolute deviations on the fitted and the held-out points, for a title."""
    shown = (format_loss(value) for value in (fitted, held_out))
    signs = (text if text.startswith("<") else f"= {text}" for text in shown)
    return r"$\Delta_e$ {},  $\Delta_h$ {}".format(*signs)


def save(figure: Figure, folder: Path, stem: str) -> None:
    """Write PDF, PNG and SVG without dates or versions, so that equal content is equal bytes."""
    page = _with_stamp(figure, _stamp.get()) if _stamp.get() else None
    for suffix, metadata in METADATA.items():
        figure.savefig(Path(folder) / f"{stem}{suffix}", metadata=metadata, bbox_inches=page)


def _with_stamp(figure: Figure, stamp: str) -> Bbox:
    """Stamp a finished figure above its upper edge; return the page that holds both, in inches."""
    width, height = figure.get_size_inches()
    corner = STAMP_MARGIN / width, 1 + STAMP_MARGIN / height
    text = figure.text(*corner, stamp, va="bottom", **STAMP)
    box = text.get_window_extent()
    right, top = box.x1 / figure.dpi, box.y1 / figure.dpi
    return Bbox([[0, 0], [max(width, right + STAMP_MARGIN), top + STAMP_MARGIN]])


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping]) -> None:
    """Write what is drawn; a column that a row lacks is left empty."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
