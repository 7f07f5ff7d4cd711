"""Law forms: what is added up, and which exponent each variable carries.

A form is a sum of terms `coefficient * product(powers)`. A power of a variable is
`variable ** -exponent` or, with an onset, `1 / (onset + variable ** exponent)`: flat until the
variable's power reaches the onset (the pre-power phase of Lin et al. 2024, arXiv 2402.02314).
The variables are `X`, the scaling factor (parameters, tokens, prompt length or LoRA rank), and
`D`, the finetuning examples.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Power:
    """One variable to minus an exponent, flat below its onset if it has one."""

    variable: str
    exponent: str
    onset: str | None = None


@dataclass(frozen=True)
class Term:
    """One summand: `coefficient` times its powers."""

    coefficient: str
    powers: tuple[Power, ...] = ()


@dataclass(frozen=True)
class Form:
    """A law as a sum of terms. Coefficients and onsets are positive, exponents of either sign.

    Each parameter stands in one place; that is what lets the engine fit any form.
    """

    name: str
    terms: tuple[Term, ...]

    @property
    def coefficients(self) -> tuple[str, ...]:
        """Names of the coefficients, in the order of the terms."""
        return tuple(term.coefficient for term in self.terms)

    @property
    def powers(self) -> tuple[Power, ...]:
        """All powers, in the order of the terms."""
        return tuple(power for term in self.terms for power in term.powers)

    @property
    def onsets(self) -> tuple[str, ...]:
        """Names of the onsets of rectified powers."""
        return tuple(power.onset for power in self.powers if power.onset)

    @property
    def exponents(self) -> dict[str, str]:
        """The variable that each exponent belongs to."""
        return {power.exponent: power.variable for power in self.powers}

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables."""
        return tuple(dict.fromkeys(power.variable for power in self.powers))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters: coefficients, onsets, then exponents."""
        return (*self.coefficients, *self.onsets, *self.exponents)

    def predict(self, parameters: Mapping[str, ArrayLike], **variables: ArrayLike) -> np.ndarray:
        """The loss the law gives at `X=..., D=...` (numbers or arrays that broadcast)."""
        total = np.zeros(())
        for term in self.terms:
            value = np.asarray(parameters[term.coefficient], float)
            for power in term.powers:
                exponent = np.asarray(parameters[power.exponent], float)
                onset = np.asarray(parameters[power.onset], float) if power.onset else 0.0
                value = value / (onset + np.asarray(variables[power.variable], float) ** exponent)
            total = total + value
        return total


_X, _D = Power("X", "alpha"), Power("D", "beta")
FINETUNING_DATA = Form("single", (Term("A", (_D,)), Term("E")))
PRETRAINING = Form("pretraining", (Term("A", (_X,)), Term("E")))
MULTIPLICATIVE = Form("multiplicative", (Term("A", (_X, _D)), Term("E")))
ADDITIVE = Form("additive", (Term("A", (_X,)), Term("B", (_D,)), Term("E")))
POWER = Form("power", (Term("A", (_X, _D)),))
RECTIFIED = Form("rectified", (Term("A", (_X, Power("D", "beta", onset="D_l"))), Term("E")))
JOINT_FORMS = (MULTIPLICATIVE, ADDITIVE)  # those that the paper compares
CANDIDATES = (*JOINT_FORMS, POWER, RECTIFIED)
FORMS = {form.name: form for form in (FINETUNING_DATA, PRETRAINING, *CANDIDATES)}
