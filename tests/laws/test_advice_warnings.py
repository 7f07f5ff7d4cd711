"""Warnings of an advice: each appears exactly when it should."""

from finescale.laws import MULTIPLICATIVE, POWER, Point
from finescale.laws.advice import advise


class TestWarnings:
    """Each appears exactly when it should; `plain` has none."""

    def plain(self, known, **more):
        more = {"noise": 0.002, "repeats": 2} | more
        return known.runs({"fmt": known.tune, "lora": known.adapt}, **more)

    def found(self, known, points, data=400, **more):
        return known.kinds(advise(points, data=data, resamples=100, **known.ONE_FORM | more))

    def test_none(self, known):
        assert self.found(known, self.plain(known)) == []

    def test_extrapolation(self, known):
        expected = [("extrapolation", ("fmt", "lora"))]
        assert self.found(known, self.plain(known), data=1601) == expected
        assert self.found(known, self.plain(known), model=9.9) == expected
        advice = advise(self.plain(known), data=4000, model=5, resamples=0, **known.ONE_FORM)
        assert [caution.text for caution in advice.warnings] == [
            "model size 5 is below the smallest measured, 10",
            "finetuning examples 4K is 2.5 times the largest measured, 1600",
        ]
        size, data = known.of(advice, "fmt").extrapolated
        assert (data.variable, data.value, data.low, data.high, data.times) == (
            "D",
            4000,
            50,
            1600,
            2.5,
        )
        assert (size.variable, size.times) == ("llm_model_size", 2)

    def test_one_seed(self, known):
        assert self.found(known, self.plain(known, repeats=1)) == [("one seed", ("fmt", "lora"))]

    def test_few_base_models(self, known):
        assert self.found(known, self.plain(known, sizes=(10, 40, 80, 160))) == [
            ("few base models", ("fmt", "lora"))
        ]

    def test_one_base_model(self, known):
        points = self.plain(known, sizes=(10,), noise=1e-4)
        assert self.found(known, points) == [("one base model", ("fmt", "lora"))]

    def test_e_at_its_bound(self, known):
        points = known.runs(
            {"fmt": lambda x, d: 3 * x**-0.1 * d**-0.1}, noise=1e-6, repeats=2, seed=1
        )
        advice = advise(points, data=400, resamples=0, **known.ONE_FORM)
        assert known.of(advice, "fmt").law.fit.at_bound == ("E",)
        assert [caution.kind for caution in advice.warnings] == ["E"]
        assert "bound" in advice.warnings[0].text

    def test_e_not_identified(self, known):
        points = known.runs(
            {"fmt": lambda x, d: 3 * x**-0.1 * d**-0.1 + 0.3}, noise=0.02, repeats=2
        )
        advice = advise(points, data=400, resamples=200, **known.ONE_FORM)
        assert [caution.kind for caution in advice.warnings] == ["E"]
        assert self.found(known, points, forms=(POWER,)) == []  # no E, nothing to identify

    def test_no_intervals(self, known):
        points = known.runs({"fmt": known.tune}, sizes=(10,), examples=(50, 100, 200), repeats=2)
        assert self.found(known, points, data=200) == [
            ("no intervals", ("fmt",)),
            ("one base model", ("fmt",)),
        ]

    def test_factors_that_were_varied_one_at_a_time(self, known):
        points = known.star(known.starry, methods=["lora"])
        points += [Point(**vars(point) | {"seed": 1}) for point in points]
        assert self.found(known, points, model=40, pretraining=4000) == []
        assert self.found(known, points, model=40, pretraining=2000) == [("combination", ("lora",))]

    def test_failed_runs(self, known):
        failed = Point(
            method="fmt", model_parameters=10, finetuning_examples=50, seed=9, status="diverged"
        )
        assert self.found(known, [*self.plain(known), failed]) == [("failed runs", ("fmt",))]

    def test_tied_forms_that_say_something_else(self, known):
        def faint(x, d):  # the noise hides the E
            return 3 * x**-0.1 * d**-0.08 + 0.3

        points = known.runs({"fmt": faint}, noise=0.01, seed=2, repeats=2)
        forms = (MULTIPLICATIVE, POWER)
        advice = advise(points, data=1e11, model=1e11, resamples=100, forms=forms)
        (judged,) = advice.methods
        assert judged.selection.tied == ("multiplicative", "power")
        assert ("tied form", ("fmt",)) in known.kinds(advice)
        assert judged.by_form["power"] == judged.loss
        assert judged.by_form["multiplicative"] > judged.interval[1]
        assert self.found(known, points, forms=forms) == []
