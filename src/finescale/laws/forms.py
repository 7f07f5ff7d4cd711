"""Law forms: what is added up, and which exponent each variable carries.

A form is a sum of terms `coefficient * product(variable ** -exponent)`. The variables are `X`, the
scaling factor (parameters, tokens, prompt length or LoRA rank), and `D`, the finetuning examples.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Term:
    """One summand: `coefficient` over each variable to the power of its exponent."""

    coefficient: str
    exponents: tuple[tuple[str, str], ...] = ()  # (variable, exponent)


@dataclass(frozen=True)
class Form:
    """A law as a sum of terms; coefficients are positive, exponents may have either sign."""

    name: str
    terms: tuple[Term, ...]

    @property
    def coefficients(self) -> tuple[str, ...]:
        """Names of the coefficients, in the order of the terms."""
        return tuple(term.coefficient for term in self.terms)

    @property
    def exponents(self) -> dict[str, str]:
        """The variable that each exponent belongs to."""
        return {exponent: variable for term in self.terms for variable, exponent in term.exponents}

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters: coefficients, then exponents."""
        return (*self.coefficients, *self.exponents)

    def predict(self, parameters: Mapping[str, float], **variables: ArrayLike) -> np.ndarray:
        """The loss the law gives at `X=..., D=...` (numbers or arrays that broadcast)."""
        total = np.zeros(())
        for term in self.terms:
            value = np.asarray(parameters[term.coefficient])
            for variable, exponent in term.exponents:
                value = value * np.asarray(variables[variable], float) ** -parameters[exponent]
            total = total + value
        return total


FINETUNING_DATA = Form("single", (Term("A", (("D", "beta"),)), Term("E")))
PRETRAINING = Form("pretraining", (Term("A", (("X", "alpha"),)), Term("E")))
MULTIPLICATIVE = Form("multiplicative", (Term("A", (("X", "alpha"), ("D", "beta"))), Term("E")))
ADDITIVE = Form("additive", (Term("A", (("X", "alpha"),)), Term("B", (("D", "beta"),)), Term("E")))
JOINT_FORMS = (MULTIPLICATIVE, ADDITIVE)
