"""Design of experiments: the further runs that would tell most about what one wants to know."""

from finescale.laws.design.interests import CriticalSize, Difference, Exponents, Interest, Loss
from finescale.laws.design.plan import TOKENS_PER_EXAMPLE, design
from finescale.laws.design.precision import Noise
from finescale.laws.design.results import Candidate, Design, Estimate, Step
from finescale.laws.design.runs import Run

__all__ = [
    "TOKENS_PER_EXAMPLE",
    "Candidate",
    "CriticalSize",
    "Design",
    "Difference",
    "Estimate",
    "Exponents",
    "Interest",
    "Loss",
    "Noise",
    "Run",
    "Step",
    "design",
]
