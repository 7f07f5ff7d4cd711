"""Runs of known laws for advice: two that cross, and a star of factors."""

import numpy as np

from finescale.laws import MULTIPLICATIVE, Point

SIZES, TOKENS = (10, 20, 40, 80, 160), (1000, 2000, 4000)
EXAMPLES = (50, 100, 200, 400, 800, 1600)
ONE_FORM = {"forms": (MULTIPLICATIVE,)}


def tune(x, d):
    """Better above the critical size of (8 x^-0.2 / 4 x^-0.1)^10 = 1024 / x, both with E = 1."""
    return 8 * x**-0.2 * d**-0.2 + 1


def adapt(x, d):
    return 4 * x**-0.1 * d**-0.1 + 1


def runs(laws, *, sizes=SIZES, examples=EXAMPLES, noise=0.0, repeats=1, seed=0, **columns):
    """A run of each method, size and data size; a law is of (size, D)."""
    rng = np.random.default_rng(seed)
    return [
        Point(
            method=method,
            model_parameters=size,
            finetuning_examples=d,
            seed=repeat,
            test_log_perplexity=float(law(size, d) * np.exp(noise * rng.standard_normal())),
            **columns,
        )
        for method, law in laws.items()
        for size in sizes
        for d in examples
        for repeat in range(repeats)
    ]


def data_only(laws, **more):
    """The same for laws of D alone: a table without model sizes."""
    return runs({m: lambda _, d, law=law: law(d) for m, law in laws.items()}, sizes=[None], **more)


def kinds(advice):
    return sorted((caution.kind, caution.methods) for caution in advice.warnings)


def of(advice, method):
    return next(judged for judged in advice.methods if judged.method == method)


def star(loss, methods=("lora", "prompt"), ranks=(2, 4, 8), **columns):
    places = {(size, 4000, 4) for size in SIZES} | {(20, tokens, 4) for tokens in TOKENS}
    places |= {(20, 4000, rank) for rank in ranks}
    return [
        Point(
            method=method,
            model_parameters=size,
            pretraining_tokens=tokens,
            pet_parameter_size=rank,
            finetuning_examples=d,
            test_log_perplexity=loss(method, size, tokens, rank, d),
            **columns,
        )
        for method in methods
        for size, tokens, rank in places
        for d in EXAMPLES
    ]


def starry(method, size, tokens, rank, d):
    gain = {"lora": 0.1, "prompt": 0.2}[method]
    return 9 * size**-0.2 * tokens**-0.1 * rank**-gain * d**-0.1 + 1
