import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finescale.cli.tables import to_json
from finescale.errors import UserError
from finescale.laws import MULTIPLICATIVE, PAPER, POWER, Point
from finescale.laws.advice import advise
from finescale.laws.advice.question import Question

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


def test_noiseless_runs_give_the_truth():
    advice = advise(runs({"lora": adapt, "fmt": tune}), data=1000, model=30, resamples=20)
    assert [judged.method for judged in advice.methods] == ["fmt", "lora"]
    for method, law in (("fmt", tune), ("lora", adapt)):
        judged = of(advice, method)
        assert judged.selection.preferred == "multiplicative"
        assert judged.at == {"llm_model_size": 30, "D": 1000}
        assert judged.at_base == ()
        assert judged.loss == pytest.approx(law(30, 1000), rel=1e-6)
        assert judged.interval == pytest.approx((judged.loss,) * 2, rel=1e-6)
        changes = {doubled.variable: doubled.change for doubled in judged.doubled}
        expected = {
            "llm_model_size": law(60, 1000) - law(30, 1000),
            "D": law(30, 2000) - law(30, 1000),
        }
        assert changes == pytest.approx(expected, rel=1e-6)
    best = advice.recommendation
    assert (best.method, best.runner_up, best.probability) == ("fmt", "lora", 1.0)
    assert best.difference == pytest.approx(adapt(30, 1000) - tune(30, 1000), rel=1e-6)
    assert best.told_apart
    assert best.verdict == "fmt is best with probability 1.00"


def test_the_critical_size_is_where_the_laws_meet():
    advice = advise(runs({"lora": adapt, "fmt": tune}), data=1000, model=8, resamples=20)
    (pair,) = advice.critical_sizes
    assert (pair.first, pair.second) == ("fmt", "lora")
    assert pair.comparison.at == {"llm_model_size": 8}
    (crossing,) = pair.comparison.crossings
    assert crossing.size == pytest.approx(1024 / 8, rel=1e-5)
    assert crossing.better_above == "first"
    assert crossing.share == 1
    assert not crossing.extrapolated
    far = advise(runs({"lora": adapt, "fmt": tune}), data=1000, model=80, resamples=0)
    (crossing,) = far.critical_sizes[0].comparison.crossings
    assert crossing.size == pytest.approx(1024 / 80, rel=1e-5)
    assert (crossing.extrapolated, crossing.interval, crossing.share) == (True, None, None)


def test_laws_that_do_not_meet_have_no_critical_size():
    laws = {"lora": adapt, "fmt": lambda x, d: adapt(x, d) - 0.1}
    (pair,) = advise(runs(laws), data=100, resamples=10).critical_sizes
    assert (pair.comparison.crossings, pair.comparison.better) == ((), "first")


def test_what_is_not_asked_is_at_the_base_of_all_methods():
    points = runs({"fmt": tune}) + runs({"lora": adapt}, sizes=(10, 20, 40))
    advice = advise(points, data=100, resamples=0)
    # 10, 20 and 40 have both methods' runs
    assert all(judged.at["llm_model_size"] == 40 for judged in advice.methods)
    assert all(judged.at_base == ("llm_model_size",) for judged in advice.methods)


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


def test_a_star_design_answers_about_each_factor():
    sizes = {"lora": 8, "prompt": 3}
    advice = advise(
        star(starry),
        data=600,
        model=50,
        pretraining=3000,
        pet_size=sizes,
        resamples=10,
        **ONE_FORM,
    )
    for method, rank in sizes.items():
        judged = of(advice, method)
        truth = starry(method, 50, 3000, rank, 600)
        assert judged.loss == pytest.approx(truth, rel=1e-6)
        by_variable = {doubled.variable: doubled for doubled in judged.doubled}
        expected = {
            "llm_model_size": starry(method, 100, 3000, rank, 600) - truth,
            "pretraining_tokens": starry(method, 50, 6000, rank, 600) - truth,
            "pet_parameter_size": starry(method, 50, 3000, 2 * rank, 600) - truth,
            "D": starry(method, 50, 3000, rank, 1200) - truth,
        }
        changes = {variable: doubled.change for variable, doubled in by_variable.items()}
        assert changes == pytest.approx(expected, rel=1e-5)
        assert by_variable["pretraining_tokens"].extrapolated
        assert not by_variable["D"].extrapolated
        assert by_variable["D"].value == 1200
    (pair,) = advice.critical_sizes
    # the laws' ratio does not depend on D
    assert (pair.comparison.crossings, pair.comparison.better) == ((), "first")
    assert pair.comparison.at == {"llm_model_size": 50, "pretraining_tokens": 3000}


def test_methods_may_have_pet_sizes_of_their_own():
    advice = advise(star(starry), data=600, pet_size={"prompt": 8}, resamples=0, **ONE_FORM)
    assert of(advice, "prompt").at["pet_parameter_size"] == 8
    assert of(advice, "lora").at["pet_parameter_size"] == 4
    assert "pet_parameter_size" in of(advice, "lora").at_base


def test_one_pet_size_is_for_all_methods_that_have_one():
    full = star(lambda m, x, t, r, d: starry("lora", x, t, 1, d), methods=["fmt"], ranks=())
    full = [Point(**vars(point) | {"pet_parameter_size": None}) for point in full]
    points = full + star(starry, methods=["lora"])
    advice = advise(points, data=600, pet_size=8, resamples=0, **ONE_FORM)
    assert of(advice, "lora").at["pet_parameter_size"] == 8
    assert "pet_parameter_size" not in of(advice, "fmt").at
    advice = advise(points, data=600, pet_size={"fmt": 8}, resamples=0, **ONE_FORM)
    assert [(m.method, m.reason) for m in advice.not_judged] == [
        ("fmt", "its runs have no PET size")
    ]


def test_a_table_of_data_alone():
    laws = {"a": lambda d: 3 * d**-0.5 + 1, "b": lambda d: 1.5 * d**-0.2 + 0.9}
    advice = advise(data_only(laws), data=100, resamples=10)
    assert {m.method: m.loss for m in advice.methods} == pytest.approx(
        {name: law(100) for name, law in laws.items()}, rel=1e-6
    )
    assert of(advice, "a").at == {"D": 100}
    assert of(advice, "a").scheme == "cell"
    assert kinds(advice) == [("one base model", ("a", "b")), ("one seed", ("a", "b"))]


@pytest.mark.parametrize("seed", range(3))
def test_equal_laws_are_not_told_apart(seed):
    laws = {"a": adapt, "b": adapt, "c": lambda x, d: adapt(x, d) + 1}
    points = runs(laws, noise=0.01, seed=seed)
    advice = advise(points, data=400, resamples=400, **ONE_FORM)
    probabilities = {m.method: m.probability for m in advice.methods}
    assert probabilities["c"] == 0
    assert probabilities["a"] + probabilities["b"] == pytest.approx(1)
    assert 0.05 < probabilities["a"] < 0.95
    assert advice.methods[-1].method == "c"


def test_the_probability_of_equal_laws_is_spread_over_all_values():
    found = []
    for seed in range(40):
        points = data_only(
            dict.fromkeys("ab", lambda d: 3 * d**-0.5 + 1), noise=0.01, seed=seed, repeats=2
        )
        found.append(of(advise(points, data=200, resamples=200, **ONE_FORM), "a").probability)
    assert 0.4 < np.mean(found) < 0.6
    assert np.mean(np.array(found) < 0.2) < 0.4
    assert np.mean(np.array(found) > 0.8) < 0.4


def test_a_probability_below_0_8_is_said_plainly():
    points = runs(dict.fromkeys("ab", adapt), noise=0.01)
    best = advise(points, data=400, resamples=400, **ONE_FORM).recommendation
    assert best.probability < 0.8
    assert not best.told_apart
    assert best.verdict == (
        f"{best.method} and {best.runner_up} cannot be told apart: the probability that"
        f" {best.method} is best is {best.probability:.2f}"
    )


def test_a_difference_below_the_noise_floor_is_said_plainly():
    def nearly(x, d):
        return adapt(x, d) - 1e-4

    # all data sizes have the same spread of seeds and no other error
    points = [
        Point(**vars(point) | {"seed": seed, "test_log_perplexity": loss + 0.01 * seed})
        for point in runs({"a": adapt, "b": nearly})
        for loss in [point.test_log_perplexity]
        for seed in (-1, 0, 1)
    ]
    advice = advise(points, data=400, resamples=50, **ONE_FORM)
    assert advice.noise_floor == pytest.approx(math.sqrt(2 / math.pi * 1e-4 / 3))
    best = advice.recommendation
    assert (best.method, best.probability, best.told_apart) == ("b", 1.0, False)
    assert best.verdict == (
        "b and a cannot be told apart: the losses differ by 0.0001, less than the noise (0.0046)"
    )
    assert not [kind for kind, _ in kinds(advice) if kind == "one seed"]


def test_without_resamples_nothing_is_told_apart():
    advice = advise(runs({"fmt": tune, "lora": adapt}), data=1000, resamples=0)
    best = advice.recommendation
    assert (best.method, best.probability, best.told_apart) == ("fmt", None, False)
    assert best.verdict == "fmt and lora cannot be told apart: there are no intervals"
    assert of(advice, "fmt").interval is None
    assert all(doubled.interval is None for doubled in of(advice, "fmt").doubled)


def test_one_method_is_recommended_for_want_of_others():
    advice = advise(runs({"fmt": tune}), data=1000, resamples=10)
    best = advice.recommendation
    assert (best.method, best.runner_up, best.told_apart) == ("fmt", None, False)
    assert best.verdict == "fmt is the only method that can be judged: no comparison"
    assert advice.critical_sizes == ()


def test_methods_without_a_law_are_listed_with_their_reasons():
    failed = [
        Point(method="prompt", finetuning_examples=50, model_parameters=10, status="diverged")
    ]
    points = (
        runs({"fmt": tune})
        + runs({"adapter": tune}, sizes=(10,), examples=(50,))
        + runs({"lora": adapt}, sizes=(20,))
        + failed
    )
    advice = advise(points, data=100, model=40, resamples=0)
    reasons = {method.method: method.reason for method in advice.not_judged}
    assert list(reasons) == ["adapter", "lora", "prompt"]
    assert "multiplicative: not identified: 1 points for 3 parameters" in reasons["adapter"]
    assert reasons["lora"] == "all its runs have model size 20"
    assert reasons["prompt"] == "all its runs failed"
    assert ("failed runs", ("prompt",)) in kinds(advice)
    assert advice.recommendation.method == "fmt"


def test_a_method_of_one_model_size_can_be_judged_there():
    points = runs({"fmt": tune}) + runs({"lora": adapt}, sizes=(20,))
    advice = advise(points, data=100, model=20, resamples=0)
    assert of(advice, "lora").loss == pytest.approx(adapt(20, 100), rel=1e-6)
    assert of(advice, "lora").at == {"D": 100}


def test_sizes_that_vary_together_cannot_be_asked_apart():
    points = [
        Point(**vars(point) | {"pretraining_tokens": 20 * point.model_parameters})
        for point in runs({"fmt": tune})
    ]
    assert of(advise(points, data=100, model=30, resamples=0), "fmt").at["llm_model_size"] == 30
    with pytest.raises(UserError, match="fmt: its pretraining tokens varies with other factors"):
        advise(points, data=100, pretraining=1000, resamples=0)


@pytest.mark.parametrize(
    "asked, message",
    [
        ({"data": 0}, "finetuning examples must be a positive number, not 0"),
        ({"data": math.nan}, "finetuning examples must be a positive number, not nan"),
        ({"data": 10, "model": -1}, "model size must be a positive number"),
        ({"data": 10, "pretraining": math.inf}, "pretraining tokens must be a positive"),
        ({"data": 10, "pretraining": 5}, "the table has none: add the column pretraining_tokens"),
        ({"data": 10, "pet_size": 5}, "the table has none: add the column pet_parameter_size"),
        ({"data": 10, "pet_size": {"lorra": 5}}, "no runs of method 'lorra'; did you mean `lora`"),
        ({"data": 10, "model_size_as": "nominal"}, "needs the column nominal_size"),
    ],
)
def test_questions_that_cannot_be_answered(asked, message):
    points = runs({"fmt": tune, "lora": adapt}, sizes=(10,), examples=(50, 100, 200))
    with pytest.raises(UserError, match=message):
        advise(points, **asked)


def test_tables_that_cannot_answer():
    with pytest.raises(UserError, match="the table has none: add the column nominal_size or"):
        advise(data_only({"a": lambda d: 1 / d + 1}), data=100, model=8e9)
    failed = [Point(method="fmt", finetuning_examples=50, status="diverged")]
    with pytest.raises(UserError, match="no run has status ok"):
        advise(failed, data=100)
    with pytest.raises(UserError, match=r"no method can be judged:\n  fmt: .*1 points"):
        advise(runs({"fmt": tune}, sizes=(10,), examples=(50,)), data=100)
    with pytest.raises(UserError, match="2 tasks"):
        advise(runs({"fmt": tune}, task="a") + runs({"fmt": tune}, task="b"), data=100)


class TestWarnings:
    """Each appears exactly when it should; `plain` has none."""

    def plain(self, **more):
        more = {"noise": 0.002, "repeats": 2} | more
        return runs({"fmt": tune, "lora": adapt}, **more)

    def found(self, points, data=400, **more):
        return kinds(advise(points, data=data, resamples=100, **ONE_FORM | more))

    def test_none(self):
        assert self.found(self.plain()) == []

    def test_extrapolation(self):
        expected = [("extrapolation", ("fmt", "lora"))]
        assert self.found(self.plain(), data=1601) == expected
        assert self.found(self.plain(), model=9.9) == expected
        advice = advise(self.plain(), data=4000, model=5, resamples=0, **ONE_FORM)
        assert [caution.text for caution in advice.warnings] == [
            "model size 5 is below the smallest measured, 10",
            "finetuning examples 4K is 2.5 times the largest measured, 1600",
        ]
        size, data = of(advice, "fmt").extrapolated
        assert (data.variable, data.value, data.low, data.high, data.times) == (
            "D",
            4000,
            50,
            1600,
            2.5,
        )
        assert (size.variable, size.times) == ("llm_model_size", 2)

    def test_one_seed(self):
        assert self.found(self.plain(repeats=1)) == [("one seed", ("fmt", "lora"))]

    def test_few_base_models(self):
        assert self.found(self.plain(sizes=(10, 40, 80, 160))) == [
            ("few base models", ("fmt", "lora"))
        ]

    def test_one_base_model(self):
        points = self.plain(sizes=(10,), noise=1e-4)
        assert self.found(points) == [("one base model", ("fmt", "lora"))]

    def test_e_at_its_bound(self):
        points = runs({"fmt": lambda x, d: 3 * x**-0.1 * d**-0.1}, noise=1e-6, repeats=2, seed=1)
        advice = advise(points, data=400, resamples=0, **ONE_FORM)
        assert of(advice, "fmt").law.fit.at_bound == ("E",)
        assert [caution.kind for caution in advice.warnings] == ["E"]
        assert "bound" in advice.warnings[0].text

    def test_e_not_identified(self):
        points = runs({"fmt": lambda x, d: 3 * x**-0.1 * d**-0.1 + 0.3}, noise=0.02, repeats=2)
        advice = advise(points, data=400, resamples=200, **ONE_FORM)
        assert [caution.kind for caution in advice.warnings] == ["E"]
        assert self.found(points, forms=(POWER,)) == []  # no E, nothing to identify

    def test_no_intervals(self):
        points = runs({"fmt": tune}, sizes=(10,), examples=(50, 100, 200), repeats=2)
        assert self.found(points, data=200) == [
            ("no intervals", ("fmt",)),
            ("one base model", ("fmt",)),
        ]

    def test_factors_that_were_varied_one_at_a_time(self):
        points = star(starry, methods=["lora"])
        points += [Point(**vars(point) | {"seed": 1}) for point in points]
        assert self.found(points, model=40, pretraining=4000) == []
        assert self.found(points, model=40, pretraining=2000) == [("combination", ("lora",))]

    def test_failed_runs(self):
        failed = Point(
            method="fmt", model_parameters=10, finetuning_examples=50, seed=9, status="diverged"
        )
        assert self.found([*self.plain(), failed]) == [("failed runs", ("fmt",))]

    def test_tied_forms_that_say_something_else(self):
        def faint(x, d):  # the noise hides the E
            return 3 * x**-0.1 * d**-0.08 + 0.3

        points = runs({"fmt": faint}, noise=0.01, seed=2, repeats=2)
        forms = (MULTIPLICATIVE, POWER)
        advice = advise(points, data=1e11, model=1e11, resamples=100, forms=forms)
        (judged,) = advice.methods
        assert judged.selection.tied == ("multiplicative", "power")
        assert ("tied form", ("fmt",)) in kinds(advice)
        assert judged.by_form["power"] == judged.loss
        assert judged.by_form["multiplicative"] > judged.interval[1]
        assert self.found(points, forms=forms) == []


names = st.permutations(["p", "q", "fmt"])


@settings(max_examples=8, deadline=None)
@given(names, st.randoms(use_true_random=False))
def test_names_and_the_order_of_rows_change_nothing_but_names(new, random):
    old = ["a", "b", "c"]
    laws = [lambda d, a=a: a * d**-0.4 + 1 for a in (3, 3.05, 2.9)]
    points = data_only(dict(zip(old, laws, strict=True)), noise=0.01, repeats=2)
    rename = dict(zip(old, new, strict=True))
    renamed = [Point(**vars(point) | {"method": rename[point.method]}) for point in points]
    random.shuffle(renamed)

    def summary(advice, rename):
        return [
            (rename[m.method], m.loss, m.interval, m.probability, m.doubled) for m in advice.methods
        ] + [
            (rename[pair.first], rename[pair.second], pair.comparison)
            for pair in advice.critical_sizes
        ]

    same = {name: name for name in new}
    first = advise(points, data=5000, resamples=60, **ONE_FORM)
    second = advise(renamed, data=5000, resamples=60, **ONE_FORM)
    assert summary(first, rename) == summary(second, same)


def test_advice_is_json():
    points = runs({"fmt": tune, "lora": adapt}, noise=0.01)
    advice = advise(points, data=1e4, model=1000, resamples=30)
    values = json.loads(to_json(advice))
    assert values["question"] == {"data": 1e4, "model": 1000, "pretraining": None, "pet_size": None}
    assert values["recommendation"]["method"] == "fmt"
    assert "law" not in values["methods"][0]
    assert values["methods"][0]["selection"]["candidates"][0]["fit"]["status"] == "converged"
    assert advice.question == Question(1e4, 1000)


def test_the_paper_s_procedure_is_at_hand():
    points = runs({"fmt": tune}, noise=0.01, repeats=2)
    paper = advise(points, data=400, resamples=10, objective=PAPER, seed_weights=False, **ONE_FORM)
    (judged,) = paper.methods
    assert judged.law.objective == PAPER
    assert judged.law.data.weights is None
