"""Figures and tables: from `fit.json` and `points.csv` to PDF, PNG, SVG and CSV."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from finescale.figures.correlations import correlation_table
from finescale.figures.critical import critical_figure
from finescale.figures.critical_table import critical_table
from finescale.figures.law_tables import coefficient_table, held_out_table
from finescale.figures.laws import joint_figure, single_variable_figure
from finescale.figures.pairs import critical_pairs
from finescale.figures.pretraining import pretraining_figure
from finescale.figures.scored import TaskScores
from finescale.figures.scores import score_figure
from finescale.figures.style import styled
from finescale.figures.tables import model_size_table, setup_table
from finescale.laws.points import Point
from finescale.laws.procedure.pretraining import PretrainingLaw
from finescale.laws.procedure.results import TaskFit

__all__ = ["TaskScores", "draw"]

SCORE_FIGURES = {  # the factor and the suite that each shows
    "figure6": ("llm_model_size", "zero-shot"),
    "figure7": ("llm_model_size", "test"),
    "figure8": ("pretraining_tokens", "test"),
    "figure9": ("pet_parameter_size", "test"),
    "figure11": ("llm_model_size", "one-shot"),
    "figure12": ("llm_model_size", "five-shot"),
    "figure13": ("pretraining_tokens", "one-shot"),
    "figure14": ("pretraining_tokens", "five-shot"),
    "loss-model-size": ("llm_model_size", "loss"),
    "loss-pretraining-size": ("pretraining_tokens", "loss"),
    "loss-pet-size": ("pet_parameter_size", "loss"),
}


def draw(
    name: str,
    parameters: Mapping,
    folder: Path,
    *,
    fits: Sequence[TaskFit] = (),
    points: Sequence[Point] = (),
    pretraining_laws: Sequence[Sequence[PretrainingLaw]] = (),
    scores: Sequence[TaskScores] = (),
) -> None:
    """Draw a figure or table of the paper into `folder`.

    Writes `figure.*` or `table.*` as pdf, png, svg and csv; the csv holds exactly what is drawn.
    `fits` are in the order of the study's tasks: Figure 1 and Table 2 show the first. `scores` are
    those of the suite that is drawn, one for each task that has it.
    `parameters` need `tasks` for table1 and `model_sizes` for table3 (see the functions), else
    nothing; a `stamp` among them is set above the drawing. Raises KeyError for a name that there
    is no function for.
    """
    drawings: dict[str, Callable[[], None]] = {
        "figure1": lambda: single_variable_figure(fits, points, folder),
        "figure2": lambda: joint_figure(fits, points, folder, factor="llm_model_size"),
        "figure3": lambda: joint_figure(fits, points, folder, factor="pretraining_tokens"),
        "figure4": lambda: joint_figure(fits, points, folder, factor="pet_parameter_size"),
        "figure5": lambda: critical_figure(critical_pairs(fits, points), folder),
        "figure10": lambda: pretraining_figure(pretraining_laws, folder),
        "table1": lambda: setup_table(parameters["tasks"], folder),
        "table2": lambda: held_out_table(fits[:1], points, folder),
        "table3": lambda: model_size_table(parameters["model_sizes"], folder),
        "table4": lambda: coefficient_table(fits, folder),
        "table5": lambda: critical_table(critical_pairs(fits, points), folder),
        "table6": lambda: held_out_table(fits, points, folder),
        "table7": lambda: correlation_table(scores, folder),
    }
    if name in SCORE_FIGURES:
        factor, suite = SCORE_FIGURES[name]
        drawings[name] = lambda: score_figure(scores, folder, factor=factor, suite=suite)
    drawing = drawings[name]
    with styled(parameters.get("stamp", "")):
        drawing()
