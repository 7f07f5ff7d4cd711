"""The report of a study: one page with every figure and table, and what became of each claim."""

from finescale.report.claims import eight_claims
from finescale.report.page import Drawing, Study, render
from finescale.report.scores import SuiteScores

__all__ = ["Drawing", "Study", "SuiteScores", "eight_claims", "render"]
