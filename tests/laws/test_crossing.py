"""Critical sizes against closed forms, calculus and brute force; where fsolve would mislead."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from finescale.laws.critical.crossing import SEARCHED, compare
from finescale.laws.forms import ADDITIVE, FINETUNING_DATA, MULTIPLICATIVE, RECTIFIED, Form, Term
from finescale.laws.forms import Power as Factor
from finescale.laws.intervals.ensemble import Ensemble

FITTED = (1e2, 1e6)


def law(A, alpha, beta, E):
    return Ensemble(MULTIPLICATIVE, {"A": A, "alpha": alpha, "beta": beta, "E": E})


def resampled(one, count=1, **rows):
    """The law with resamples of the named parameters; the others stay."""
    held = {name: np.full(count, value) for name, value in one.parameters.items()}
    return Ensemble(one.form, one.parameters, held | {n: np.array(v) for n, v in rows.items()})


def only(first, second, x=1.0, **options):
    """The comparison at one X."""
    (found,) = compare(first, second, at={"X": x}, **{"fitted": FITTED, **options})
    return found


def sizes(found):
    return [crossing.size for crossing in found.crossings]


def directions(found):
    return [crossing.better_above for crossing in found.crossings]


# Printed coefficients of the paper's Table 4, model size, WMT14 En-De.
FMT, PROMPT = law(120_000, 0.52, 0.15, 0.75), law(3_900, 0.40, 0.051, 0.62)
LORA = law(2_100, 0.36, 0.081, 0.62)

positive = st.floats(0.1, 10)
exponents = st.floats(0.02, 0.4)  # with larger ones the laws differ by rounding alone far out


@given(positive, positive, exponents, exponents, exponents, exponents, st.floats(1, 1e3))
def test_equal_limits_have_the_closed_form(a1, a2, alpha1, alpha2, beta1, beta2, x):
    assume(abs(beta1 - beta2) > 0.02)
    size = (a1 / a2) ** (1 / (beta1 - beta2)) * x ** ((alpha2 - alpha1) / (beta1 - beta2))
    assume(min(abs(math.log(size / end)) for end in SEARCHED) > 1e-3)
    steeper = "first" if beta1 > beta2 else "second"
    found = only(law(a1, alpha1, beta1, 0.7), law(a2, alpha2, beta2, 0.7), x)
    if SEARCHED[0] < size < SEARCHED[1]:
        assert sizes(found) == [pytest.approx(size, rel=1e-6)]
        assert directions(found) == [steeper]
    else:
        assert not found.crossings
        assert (found.better == steeper) == (size < SEARCHED[0])


def test_two_roots_are_both_found():
    found = only(FMT, PROMPT, 1e9, searched=(1, 1e20))
    assert sizes(found) == [pytest.approx(2.41e5, rel=2e-3), pytest.approx(5.0e16, rel=2e-2)]
    assert directions(found) == ["first", "second"]
    assert [crossing.extrapolated for crossing in found.crossings] == [False, True]
    assert [crossing.better_below for crossing in found.crossings] == ["second", "first"]
    for size in sizes(found):
        assert FMT.predict(X=1e9, D=size) == pytest.approx(PROMPT.predict(X=1e9, D=size), rel=1e-11)


def test_no_root_says_who_is_better():
    """Here fsolve returns 2.5e7 or a negative size."""
    found = only(FMT, PROMPT, 1.6e10, searched=(1, 1e20))
    assert (found.crossings, found.better, found.shares) == ((), "second", {})
    assert only(PROMPT, FMT, 1.6e10).better == "first"


def nearly_touching(depth):
    """Two laws whose difference over log D has its least value `depth`; where, and curvature."""
    (a, b), (c, d) = (2.0, 0.30), (1.0, 0.15)
    bottom = math.log(a * b / (c * d)) / (b - d)  # derivative of a e^-bt - c e^-dt is 0
    value = a * math.exp(-b * bottom) - c * math.exp(-d * bottom)
    curvature = a * b**2 * math.exp(-b * bottom) - c * d**2 * math.exp(-d * bottom)
    return law(a, 0.1, b, 1.0 - value + depth), law(c, 0.1, d, 1.0), bottom, curvature


@pytest.mark.parametrize("depth", [1e-3, 1e-6, 1e-9])
def test_laws_that_nearly_touch_have_two_roots_or_none(depth):
    first, second, bottom, _ = nearly_touching(depth)
    assert only(first, second).better == "second", bottom
    first, second, bottom, curvature = nearly_touching(-depth)
    found = only(first, second)
    half = math.sqrt(2 * depth / curvature)  # by the parabola at the bottom
    expected = [math.exp(bottom - half), math.exp(bottom + half)]
    assert sizes(found) == pytest.approx(expected, rel=half**2)
    assert directions(found) == ["first", "second"]


def test_laws_that_touch_or_are_equal_have_no_critical_size():
    first, second, _, _ = nearly_touching(0.0)
    found = only(first, second)
    assert (found.crossings, found.better) == ((), "second")
    found = only(FMT, FMT)
    assert (found.crossings, found.better) == ((), None)


def test_a_root_on_a_grid_point_counts_once():
    first, second = law(2.0, 0.1, 0.2, 1.0), law(2.0, 0.1, 0.1, 1.0)  # meet at D = 1
    assert sizes(only(first, second, searched=(0.1, 10))) == [pytest.approx(1)]


def test_as_many_roots_as_a_dense_scan_finds():
    rng = np.random.default_rng(7)
    grid = np.geomspace(1, 1e12, 200_001)
    counts = set()
    for _ in range(150):
        first, second = (
            law(*rng.uniform([0.5, 0.0, 0.02, 0.5], [4.0, 0.1, 0.4, 1.5])) for _ in range(2)
        )
        gap = first.predict(X=3.0, D=grid) - second.predict(X=3.0, D=grid)
        changes = np.flatnonzero(gap[:-1] * gap[1:] < 0)
        found = only(first, second, 3.0)
        assert np.searchsorted(grid, sizes(found), side="right").tolist() == (changes + 1).tolist()
        assert directions(found) == ["second" if gap[i + 1] > 0 else "first" for i in changes]
        if not changes.size:
            assert found.better == ("second" if gap[0] > 0 else "first")
        counts.add(changes.size)
    assert counts == {0, 1, 2}


laws = st.builds(law, positive, st.floats(0, 0.5), exponents, st.floats(0.1, 2))


@given(laws, laws, st.floats(1, 1e3))
@settings(max_examples=50)
def test_swapping_the_laws_turns_directions_and_keeps_roots(first, second, x):
    other = {"first": "second", "second": "first", None: None}
    found, swapped = only(first, second, x), only(second, first, x)
    assert sizes(swapped) == pytest.approx(sizes(found), rel=1e-6)
    assert directions(swapped) == [other[side] for side in directions(found)]
    assert swapped.better == other[found.better]


@given(laws, laws, st.integers(-3, 3))
@settings(max_examples=50)
def test_counting_in_other_units_scales_the_roots(first, second, decades):
    unit = 10.0**decades

    def scaled(one):
        parameters = dict(one.parameters)
        return law(**parameters | {"A": parameters["A"] * unit ** parameters["beta"]})

    plain = only(first, second)
    in_units = only(scaled(first), scaled(second), searched=(unit, 1e12 * unit))
    assert sizes(in_units) == pytest.approx([size * unit for size in sizes(plain)], rel=1e-6)
    assert in_units.better == plain.better


def test_many_places_are_as_each_alone():
    x = np.geomspace(1e9, 1.6e10, 5)
    together = compare(PROMPT, LORA, at={"X": x}, fitted=FITTED)
    assert [found.at["X"] for found in together] == list(x)
    for found in together:
        assert sizes(found) == sizes(only(PROMPT, LORA, found.at["X"]))


def test_any_form_and_any_names():
    """Meeting point by hand: X**-1 + D**-1 + 1 and n**-1 + 2/(3 + D) + 1 at X = n: D = 3."""
    additive = Ensemble(ADDITIVE, {"A": 1, "B": 1, "E": 1, "alpha": 1, "beta": 1})
    own = Form(
        "own",
        (Term("a", (Factor("n", "p"),)), Term("b", (Factor("D", "q", onset="o"),)), Term("e")),
    )
    parameters = {"a": 1, "b": 2, "e": 1, "p": 1, "q": 1, "o": 3}
    (found,) = compare(additive, Ensemble(own, parameters), at={"X": 7, "n": 7}, fitted=(1, 10))
    assert sizes(found) == [pytest.approx(3)]
    assert directions(found) == ["first"]
    rectified = Ensemble(RECTIFIED, {"A": 8, "alpha": 1, "beta": 1, "E": 1, "D_l": 1})
    lost = law(1.0, 1.0, 0.0, 1.0)  # 1/X + 1: meets 8 / (X (1 + D)) + 1 at D = 7
    assert sizes(only(rectified, lost, 5.0)) == [pytest.approx(7)]


def test_scanning_another_variable():
    (found,) = compare(
        law(4.0, 0.5, 0.1, 1.0), law(2.0, 0.25, 0.1, 1.0), at={"D": 10}, over="X", fitted=(1, 10)
    )
    assert sizes(found) == [pytest.approx(16)]  # 4 / 2 = X**0.25
    assert found.crossings[0].extrapolated


def test_laws_of_size_alone_are_the_same_at_every_place():
    one, two = (
        Ensemble(FINETUNING_DATA, {"A": a, "beta": beta, "E": 1.0})
        for a, beta in ((4.0, 0.5), (2.0, 0.25))
    )
    assert [sizes(c) for c in compare(one, two, at={"X": [1, 2]}, fitted=FITTED)] == [
        [pytest.approx(16)]
    ] * 2
    (found,) = compare(one, two, at={}, fitted=FITTED)
    assert sizes(found) == [pytest.approx(16)]


def steeper(amounts):
    """Meets `flat` at amount**10, in the fit and in each resample, and is better above."""
    return resampled(law(2.0, 0.0, 0.2, 1.0), len(amounts), A=amounts)


def flat(count):
    return resampled(law(1.0, 0.0, 0.1, 1.0), count)


def test_the_interval_is_that_of_the_resamples_roots():
    rng = np.random.default_rng(3)
    amounts = rng.uniform(1.5, 2.5, 1000)
    (crossing,) = only(steeper(amounts), flat(1000)).crossings
    ordered = np.sort(amounts**10)
    assert crossing.size == pytest.approx(2.0**10)
    assert crossing.interval == pytest.approx((ordered[24], ordered[975]), rel=1e-9)
    assert crossing.share == 1.0


@pytest.mark.parametrize(
    ("lost", "interval"),
    [
        (20.0, (1.5**10, math.inf)),  # meets at 20**10, beyond: flat is better throughout
        (0.5, (0.0, 2.5**10)),  # meets below 1
    ],
)
def test_resamples_without_a_root_open_the_interval_on_their_side(lost, interval):
    amounts = [*np.linspace(1.5, 2.5, 91), *[lost] * 9]
    found = only(steeper(amounts), flat(100))
    (crossing,) = found.crossings
    assert crossing.share == 0.91
    side = "second" if lost > 1 else "first"
    assert found.shares == pytest.approx({"crossing": 0.91, "first": 0, "second": 0, side: 0.09})
    open_at = interval.index(math.inf if lost > 1 else 0.0)
    assert crossing.interval[open_at] == interval[open_at]
    closed = np.sort(np.array(amounts) ** 10)[2 if lost > 1 else -3]
    assert crossing.interval[1 - open_at] == pytest.approx(closed)


def test_few_lost_resamples_stay_in_the_tail():
    (crossing,) = only(steeper([2.0] * 99 + [20.0]), flat(100)).crossings
    assert crossing.interval == pytest.approx((2**10, 2**10))
    assert crossing.share == 0.99


def test_resamples_say_how_sure_no_root_is():
    found = only(steeper([20] * 70 + [2.0] * 20 + [0.5] * 10), flat(100))
    assert found.shares == pytest.approx({"crossing": 0.2, "first": 0.1, "second": 0.7})
    none = only(resampled(law(20.0, 0.0, 0.2, 1.0), 2, A=[20.0, 2.0]), flat(2))
    assert (none.better, none.shares["crossing"]) == ("second", 0.5)


def test_a_root_is_matched_in_its_own_direction():
    """The fit has two roots; the resample lost the upper, and its lower lies above the fit's."""
    first, second, _, _ = nearly_touching(-1e-3)
    lower, upper = only(first, second).crossings
    changes = {"A": first.parameters["A"] * 2.2, "E": 0.99}
    (alone,) = only(law(**first.parameters | changes), second).crossings
    assert alone.better_above == lower.better_above == "first"
    assert abs(np.log(alone.size / upper.size)) < abs(np.log(alone.size / lower.size))
    one = resampled(first, **{name: [value] for name, value in changes.items()})
    found = only(one, resampled(second))
    assert [crossing.share for crossing in found.crossings] == [1.0, 0.0]
    assert found.crossings[0].interval == pytest.approx((alone.size, alone.size))
    assert found.crossings[1].interval == (math.inf, math.inf)  # the first is better at it


def three_roots(*sizes):
    """Parameters of (u - 1/a)(u - 1/b)(u - 1/c) = u**3 - s u**2 + t u - v over u = 1/D."""
    s, t, v = np.abs(np.poly(1 / np.array(sizes))[1:])
    return {"a": 1.0, "b": t, "E": 1.0, "p": 3.0, "q": 1.0}, {"a": s, "E": 1.0 + v, "p": 2.0}


def test_a_root_is_matched_by_the_nearest_in_its_direction():
    """Of three roots the outer two have one direction."""
    cubic = Form(
        "cubic", (Term("a", (Factor("D", "p"),)), Term("b", (Factor("D", "q"),)), Term("E"))
    )
    square = Form("square", (Term("a", (Factor("D", "p"),)), Term("E")))
    fits, others = three_roots(10, 30, 100), three_roots(12, 31, 90)
    laws = (
        resampled(Ensemble(form, fit), **{name: [value] for name, value in other.items()})
        for form, fit, other in zip((cubic, square), fits, others, strict=True)
    )
    (found,) = compare(*laws, at={}, fitted=FITTED)
    assert sizes(found) == pytest.approx([10, 30, 100])
    assert directions(found) == ["first", "second", "first"]
    assert [one.interval[0] for one in found.crossings] == pytest.approx([12, 31, 90])


def test_resamples_must_correspond():
    with pytest.raises(ValueError, match="different numbers of resamples"):
        only(steeper([2.0, 2.0]), flat(3))
