"""Points of known laws, and designs that ask about them."""

from itertools import product

import numpy as np

from finescale.laws import ADDITIVE, LOG_LEAST_SQUARES, MULTIPLICATIVE, POWER, RECTIFIED, Point
from finescale.laws.design import Difference, Exponents, design

SIZES = (1e5, 2e5, 4e5, 8e5, 16e5)
EXAMPLES = (64, 180, 512, 1440, 4096)
LAW = {"A": 20.0, "alpha": 0.2, "beta": 0.15, "E": 1.0}
OTHER = {"A": 13.3, "alpha": 0.2, "beta": 0.08, "E": 1.0}  # meets LAW at about 300 examples
PARAMETERS = {
    "multiplicative": LAW,
    "additive": {"A": 20.0, "B": 3.0, "alpha": 0.3, "beta": 0.25, "E": 1.0},
    "power": {"A": 20.0, "alpha": 0.1, "beta": 0.08},
    "rectified": {"A": 60.0, "alpha": 0.2, "beta": 0.5, "D_l": 20.0, "E": 1.0},
}
FORMS = {form.name: form for form in (MULTIPLICATIVE, ADDITIVE, POWER, RECTIFIED)}


def points(
    law=LAW,
    form=MULTIPLICATIVE,
    *,
    sizes=SIZES,
    examples=EXAMPLES,
    seeds=1,
    noise=0.0,
    base_model_noise=0.0,
    rng=None,
    **columns,
):
    """A run of every size, data size and seed, its loss by the law and two levels of error."""
    made = []
    for size in sizes:
        effect = rng.normal(0, base_model_noise) if base_model_noise else 0.0
        for n, seed in product(examples, range(seeds)):
            error = effect + (rng.normal(0, noise) if noise else 0.0)
            loss = float(form.predict(law, X=size, D=n)) * np.exp(error)
            base = {"task": "t", "method": "fmt", "model_parameters": int(size)}
            base |= {"pretraining_tokens": 10**7, "finetuning_examples": n, "seed": seed}
            made.append(Point(**base | {"test_log_perplexity": loss} | columns))
    return made


def two_methods():
    return points() + points(OTHER, method="lora", pet_parameter_size=4)


def designed(table, interest, **options):
    given = {"model_size_as": "total", "objective": LOG_LEAST_SQUARES, "base_model_noise": 0.0}
    given |= {"noise": 0.005, "form": "multiplicative"}
    return design(table, interest=interest, **given | options)


def width(table, interest, **options):
    """Of the first quantity's interval, on the scale that its error is on."""
    estimate = designed(table, interest, **options).estimates[0]
    logarithmic = not isinstance(interest, Difference | Exponents)
    low, high = (np.log(x) if logarithmic else x for x in (estimate.low, estimate.high))
    return high - low
