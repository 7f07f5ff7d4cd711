"""What `finescale fit`, `advise` and `design` draw: one picture, in a file of the user's choice."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from finescale.errors import UserError
from finescale.figures.advice import advice_figure
from finescale.figures.design import design_figure
from finescale.figures.intervals import band, intervals_are
from finescale.figures.laws import failures, joint_panel, lay_out, single_title
from finescale.figures.measured import Measured, measured, note_on_failures
from finescale.figures.panels import Dot, Panel, Series
from finescale.figures.style import FACTOR_TITLES, METADATA, format_count, method_title, styled
from finescale.laws.advice import Advice
from finescale.laws.design import Design
from finescale.laws.forms import FINETUNING_DATA, MULTIPLICATIVE
from finescale.laws.intervals.ensemble import Ensemble
from finescale.laws.points import FACTORS, Cell, Point, at_base, cells, held_out_examples, methods
from finescale.laws.procedure.results import Law, TaskFit

LABELS_ARE = r"$L = A / (X^\alpha D^\beta) + E$, X named in the titles, its values at the lines"


def draw_fit(fit: TaskFit, points: Sequence[Point], path: Path) -> None:
    """The multiplicative law of each factor and method, or else the laws over finetuning data."""
    joint = {law.factor for law in fit.laws if law.form == MULTIPLICATIVE.name and law.fit.ok}
    factors = [factor for factor in FACTORS if factor in joint]
    with styled():
        _write(_joint(fit, points, factors) if factors else _over_data(fit, points), path)


def draw_advice(advice: Advice, path: Path) -> None:
    """Predicted losses over finetuning data."""
    with styled():
        _write(advice_figure(advice), path)


def draw_design(design: Design, title: str, path: Path) -> None:
    """How far the plans shrink the interval of what `title` says."""
    with styled():
        _write(design_figure(design, title), path)


def _joint(fit: TaskFit, points: Sequence[Point], factors: Sequence[str]) -> Figure:
    """A row for each factor, a column for each method."""
    form = MULTIPLICATIVE.name
    having = {(law.method, law.factor) for law in fit.laws if law.form == form}
    names = [name for name in methods(points) if any(name == method for method, _ in having)]
    contents = [
        [
            measured(fit, points, name, factor, form) if (name, factor) in having else None
            for name in names
        ]
        for factor in factors
    ]
    panels = [[_joint_panel(content) if content else None for content in row] for row in contents]
    flat = [content for row in contents for content in row if content]
    laws = [law for content in flat for law in content.laws]
    return lay_out(panels, _about(fit, LABELS_ARE), _bands(laws), note_on_failures(flat))


def _joint_panel(content: Measured) -> Panel:
    """With the factor in the title: each row has its own."""
    panel = joint_panel(content)
    title = f"{method_title(content.method)}, {FACTOR_TITLES[content.factor]}"
    return replace(panel, title=(title, *panel.title[1:]))


def _about(fit: TaskFit, labels_are: str) -> str:
    return f"{fit.settings.title}. {labels_are}"


def _over_data(fit: TaskFit, points: Sequence[Point]) -> Figure:
    """A panel for each method: its laws over finetuning data, one for each model size."""
    panels = [_data_panel(fit, points, method) for method in methods(cells(points))]
    sized = any(law.x for law in fit.laws)
    labels_are = "Line labels: model size (parameters)" if sized else "Laws over finetuning data"
    return lay_out([panels], _about(fit, labels_are), _bands(fit.laws))


def _data_panel(fit: TaskFit, points: Sequence[Point], method: str) -> Panel:
    laws = [law for law in fit.laws if (law.method, law.form) == (method, FINETUNING_DATA.name)]
    own = [cell for cell in cells(points) if cell.method == method]
    held_out = held_out_examples(own)
    series = []
    for law in laws:
        size = partial(Cell.x, factor=law.factor, model_size_as=fit.settings.model_size_as)
        dots = tuple(
            Dot(cell.finetuning_examples, cell.losses, cell.finetuning_examples in held_out)
            for cell in at_base(own, FACTORS[1:], fit.settings.base)
            if law.x is None or size(cell) == law.x
        )
        series.append(
            Series(
                format_count(law.x) if law.x else "",
                dots,
                partial(_loss, law.ensemble) if law.fit.ok else None,
                band=partial(_band, law.ensemble) if law.scheme else None,
            )
        )
    title = (method_title(method), *single_title(laws))
    return Panel(title, tuple(series), failures(laws))


def _loss(law: Ensemble, examples: np.ndarray) -> np.ndarray:
    return law.predict(D=examples)


def _band(law: Ensemble, examples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return band(law, D=examples)


def _bands(laws: Iterable[Law]) -> str:
    """What the bands are, in words."""
    return intervals_are(law.scheme for law in laws if law.fit.ok)


def _write(figure: Figure, path: Path) -> None:
    """Under another name first, so that an interrupted plot leaves the old file or none."""
    scratch = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        figure.savefig(scratch, metadata=METADATA[path.suffix.lower()])
        os.replace(scratch, path)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    finally:
        scratch.unlink(missing_ok=True)
