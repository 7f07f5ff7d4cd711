"""Advice: laws, critical sizes and what twice as much brings, at the place that is asked about."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finescale.cli.tables import to_json
from finescale.errors import UserError
from finescale.laws import PAPER, Point
from finescale.laws.advice import advise
from finescale.laws.advice.question import Question


def test_noiseless_runs_give_the_truth(known):
    advice = advise(
        known.runs({"lora": known.adapt, "fmt": known.tune}), data=1000, model=30, resamples=20
    )
    assert [judged.method for judged in advice.methods] == ["fmt", "lora"]
    for method, law in (("fmt", known.tune), ("lora", known.adapt)):
        judged = known.of(advice, method)
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
    assert best.difference == pytest.approx(known.adapt(30, 1000) - known.tune(30, 1000), rel=1e-6)
    assert best.told_apart
    assert best.verdict == "fmt is best with probability 1.00"


def test_the_critical_size_is_where_the_laws_meet(known):
    advice = advise(
        known.runs({"lora": known.adapt, "fmt": known.tune}), data=1000, model=8, resamples=20
    )
    (pair,) = advice.critical_sizes
    assert (pair.first, pair.second) == ("fmt", "lora")
    assert pair.comparison.at == {"llm_model_size": 8}
    (crossing,) = pair.comparison.crossings
    assert crossing.size == pytest.approx(1024 / 8, rel=1e-5)
    assert crossing.better_above == "first"
    assert crossing.share == 1
    assert not crossing.extrapolated
    far = advise(
        known.runs({"lora": known.adapt, "fmt": known.tune}), data=1000, model=80, resamples=0
    )
    (crossing,) = far.critical_sizes[0].comparison.crossings
    assert crossing.size == pytest.approx(1024 / 80, rel=1e-5)
    assert (crossing.extrapolated, crossing.interval, crossing.share) == (True, None, None)


def test_laws_that_do_not_meet_have_no_critical_size(known):
    laws = {"lora": known.adapt, "fmt": lambda x, d: known.adapt(x, d) - 0.1}
    (pair,) = advise(known.runs(laws), data=100, resamples=10).critical_sizes
    assert (pair.comparison.crossings, pair.comparison.better) == ((), "first")


def test_what_is_not_asked_is_at_the_base_of_all_methods(known):
    points = known.runs({"fmt": known.tune}) + known.runs({"lora": known.adapt}, sizes=(10, 20, 40))
    advice = advise(points, data=100, resamples=0)
    # 10, 20 and 40 have both methods' runs
    assert all(judged.at["llm_model_size"] == 40 for judged in advice.methods)
    assert all(judged.at_base == ("llm_model_size",) for judged in advice.methods)


def test_a_star_design_answers_about_each_factor(known):
    sizes = {"lora": 8, "prompt": 3}
    advice = advise(
        known.star(known.starry),
        data=600,
        model=50,
        pretraining=3000,
        pet_size=sizes,
        resamples=10,
        **known.ONE_FORM,
    )
    for method, rank in sizes.items():
        judged = known.of(advice, method)
        truth = known.starry(method, 50, 3000, rank, 600)
        assert judged.loss == pytest.approx(truth, rel=1e-6)
        by_variable = {doubled.variable: doubled for doubled in judged.doubled}
        expected = {
            "llm_model_size": known.starry(method, 100, 3000, rank, 600) - truth,
            "pretraining_tokens": known.starry(method, 50, 6000, rank, 600) - truth,
            "pet_parameter_size": known.starry(method, 50, 3000, 2 * rank, 600) - truth,
            "D": known.starry(method, 50, 3000, rank, 1200) - truth,
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


def test_methods_may_have_pet_sizes_of_their_own(known):
    advice = advise(
        known.star(known.starry), data=600, pet_size={"prompt": 8}, resamples=0, **known.ONE_FORM
    )
    assert known.of(advice, "prompt").at["pet_parameter_size"] == 8
    assert known.of(advice, "lora").at["pet_parameter_size"] == 4
    assert "pet_parameter_size" in known.of(advice, "lora").at_base


def test_one_pet_size_is_for_all_methods_that_have_one(known):
    full = known.star(
        lambda m, x, t, r, d: known.starry("lora", x, t, 1, d), methods=["fmt"], ranks=()
    )
    full = [Point(**vars(point) | {"pet_parameter_size": None}) for point in full]
    points = full + known.star(known.starry, methods=["lora"])
    advice = advise(points, data=600, pet_size=8, resamples=0, **known.ONE_FORM)
    assert known.of(advice, "lora").at["pet_parameter_size"] == 8
    assert "pet_parameter_size" not in known.of(advice, "fmt").at
    advice = advise(points, data=600, pet_size={"fmt": 8}, resamples=0, **known.ONE_FORM)
    assert [(m.method, m.reason) for m in advice.not_judged] == [
        ("fmt", "its runs have no PET size")
    ]


def test_a_table_of_data_alone(known):
    laws = {"a": lambda d: 3 * d**-0.5 + 1, "b": lambda d: 1.5 * d**-0.2 + 0.9}
    advice = advise(known.data_only(laws), data=100, resamples=10)
    assert {m.method: m.loss for m in advice.methods} == pytest.approx(
        {name: law(100) for name, law in laws.items()}, rel=1e-6
    )
    assert known.of(advice, "a").at == {"D": 100}
    assert known.of(advice, "a").scheme == "cell"
    assert known.kinds(advice) == [("one base model", ("a", "b")), ("one seed", ("a", "b"))]


def test_one_method_is_recommended_for_want_of_others(known):
    advice = advise(known.runs({"fmt": known.tune}), data=1000, resamples=10)
    best = advice.recommendation
    assert (best.method, best.runner_up, best.told_apart) == ("fmt", None, False)
    assert best.verdict == "fmt is the only method that can be judged: no comparison"
    assert advice.critical_sizes == ()


def test_methods_without_a_law_are_listed_with_their_reasons(known):
    failed = [
        Point(method="prompt", finetuning_examples=50, model_parameters=10, status="diverged")
    ]
    points = (
        known.runs({"fmt": known.tune})
        + known.runs({"adapter": known.tune}, sizes=(10,), examples=(50,))
        + known.runs({"lora": known.adapt}, sizes=(20,))
        + failed
    )
    advice = advise(points, data=100, model=40, resamples=0)
    reasons = {method.method: method.reason for method in advice.not_judged}
    assert list(reasons) == ["adapter", "lora", "prompt"]
    assert "multiplicative: not identified: 1 points for 3 parameters" in reasons["adapter"]
    assert reasons["lora"] == "all its runs have model size 20"
    assert reasons["prompt"] == "all its runs failed"
    assert ("failed runs", ("prompt",)) in known.kinds(advice)
    assert advice.recommendation.method == "fmt"


def test_a_method_of_one_model_size_can_be_judged_there(known):
    points = known.runs({"fmt": known.tune}) + known.runs({"lora": known.adapt}, sizes=(20,))
    advice = advise(points, data=100, model=20, resamples=0)
    assert known.of(advice, "lora").loss == pytest.approx(known.adapt(20, 100), rel=1e-6)
    assert known.of(advice, "lora").at == {"D": 100}


def test_sizes_that_vary_together_cannot_be_asked_apart(known):
    points = [
        Point(**vars(point) | {"pretraining_tokens": 20 * point.model_parameters})
        for point in known.runs({"fmt": known.tune})
    ]
    assert (
        known.of(advise(points, data=100, model=30, resamples=0), "fmt").at["llm_model_size"] == 30
    )
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
def test_questions_that_cannot_be_answered(known, asked, message):
    points = known.runs(
        {"fmt": known.tune, "lora": known.adapt}, sizes=(10,), examples=(50, 100, 200)
    )
    with pytest.raises(UserError, match=message):
        advise(points, **asked)


def test_tables_that_cannot_answer(known):
    with pytest.raises(UserError, match="the table has none: add the column nominal_size or"):
        advise(known.data_only({"a": lambda d: 1 / d + 1}), data=100, model=8e9)
    failed = [Point(method="fmt", finetuning_examples=50, status="diverged")]
    with pytest.raises(UserError, match="no run has status ok"):
        advise(failed, data=100)
    with pytest.raises(UserError, match=r"no method can be judged:\n  fmt: .*1 points"):
        advise(known.runs({"fmt": known.tune}, sizes=(10,), examples=(50,)), data=100)
    with pytest.raises(UserError, match="2 tasks"):
        advise(
            known.runs({"fmt": known.tune}, task="a") + known.runs({"fmt": known.tune}, task="b"),
            data=100,
        )


names = st.permutations(["p", "q", "fmt"])


@settings(max_examples=8, deadline=None)
@given(names, st.randoms(use_true_random=False))
def test_names_and_the_order_of_rows_change_nothing_but_names(known, new, random):
    old = ["a", "b", "c"]
    laws = [lambda d, a=a: a * d**-0.4 + 1 for a in (3, 3.05, 2.9)]
    points = known.data_only(dict(zip(old, laws, strict=True)), noise=0.01, repeats=2)
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
    first = advise(points, data=5000, resamples=60, **known.ONE_FORM)
    second = advise(renamed, data=5000, resamples=60, **known.ONE_FORM)
    assert summary(first, rename) == summary(second, same)


def test_advice_is_json(known):
    points = known.runs({"fmt": known.tune, "lora": known.adapt}, noise=0.01)
    advice = advise(points, data=1e4, model=1000, resamples=30)
    values = json.loads(to_json(advice))
    assert values["question"] == {"data": 1e4, "model": 1000, "pretraining": None, "pet_size": None}
    assert values["recommendation"]["method"] == "fmt"
    assert "law" not in values["methods"][0]
    assert values["methods"][0]["selection"]["candidates"][0]["fit"]["status"] == "converged"
    assert advice.question == Question(1e4, 1000)


def test_the_paper_s_procedure_is_at_hand(known):
    points = known.runs({"fmt": known.tune}, noise=0.01, repeats=2)
    paper = advise(
        points, data=400, resamples=10, objective=PAPER, seed_weights=False, **known.ONE_FORM
    )
    (judged,) = paper.methods
    assert judged.law.objective == PAPER
    assert judged.law.data.weights is None
