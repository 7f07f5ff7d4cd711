"""Points on whole grids, made from known laws."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from finescale.laws import PAPER, Base, Point, Settings

SIZES = (10_000, 20_000, 40_000, 80_000)
TOKENS = (100_000, 200_000, 400_000, 800_000)
PET_SIZES = (2, 4, 8, 16)
EXAMPLES = (50, 100, 200, 400, 800, 1600)

BASE = Base(10_000, 800_000, {"lora": 4, "prompt": 4})
SETTINGS = Settings(
    task="help",
    title="Help",
    model_size_as="nominal",
    objective=PAPER,
    seed_weights=False,
    resamples=20,
    base=BASE,
)
HELD_OUT = {
    "nominal_size": 80_000,
    "pretraining_tokens": 400_000,
    "pet_parameter_size": 16,
    "finetuning_examples": 1600,
}

Loss = Callable[[str, float, float], float]  # (factor, X, D) -> loss


def point(loss: float | None = 2.0, **changes: object) -> Point:
    """An ok run at the base, changed in the named columns; its split by HELD_OUT."""
    plain = Point(
        study="test",
        task="help",
        method="fmt",
        family="en-de",
        nominal_size=10_000,
        model_parameters=12_000,
        non_embedding_parameters=6_000,
        pretraining_tokens=800_000,
        pet_parameter_size=None,
        finetuning_examples=100,
        seed=0,
        split="fit",
        status="ok",
        dev_log_perplexity=loss,
        test_log_perplexity=loss,
        target_tokens=1000,
        digest="0" * 64,
    )
    changed = replace(plain, **changes)
    if "split" in changes:
        return changed
    held_out = any(getattr(changed, column) == value for column, value in HELD_OUT.items())
    return replace(changed, split="held-out" if held_out else "fit")


def grid(method: str, loss: Loss, *, settings: Settings = SETTINGS) -> list[Point]:
    """Every cell of one method; `loss` must agree at the cells that factors share."""
    pet = settings.base.pet_parameter_size.get(method)
    points = {}
    for factor, x, place in _places(method):
        for examples in EXAMPLES:
            coordinates = {"pet_parameter_size": pet} | place
            made = point(
                loss(factor, x, examples),
                method=method,
                finetuning_examples=examples,
                **coordinates,
            )
            key = (made.nominal_size, made.pretraining_tokens, made.pet_parameter_size, examples)
            points[key] = made
    return list(points.values())


def _places(method: str) -> Iterator[tuple[str, float, dict[str, int]]]:
    for tokens in TOKENS:
        yield "pretraining_tokens", tokens, {"pretraining_tokens": tokens}
    for pet in PET_SIZES if method != "fmt" else ():
        yield "pet_parameter_size", pet, {"pet_parameter_size": pet}
    for size in SIZES:
        yield "llm_model_size", size, {"nominal_size": size}
