"""The columns of points.csv, what is held out, means over seeds, a factor's points."""

from dataclasses import replace

import pytest

from finescale.errors import UserError
from finescale.laws.points import (
    COLUMNS,
    FACTORS,
    Base,
    Point,
    at_base,
    cells,
    choose_model_size,
    held_out_examples,
    infer_base,
    methods,
    on_factor,
    one_task,
    status_counts,
)

DESIGNED_COLUMNS = (
    "study, task, method, family, nominal_size, model_parameters, non_embedding_parameters,"
    " pretraining_tokens, pet_parameter_size, finetuning_examples, seed, split, status,"
    " dev_log_perplexity, test_log_perplexity, target_tokens, digest"
)


def test_columns_are_the_documented_interface():
    assert ", ".join(COLUMNS) == DESIGNED_COLUMNS


def test_statuses_are_counted(grids):
    points = [grids.point(status=status) for status in ("ok", "ok", "diverged")]
    assert status_counts(points) == {"ok": 2, "diverged": 1, "base diverged": 0}


def test_seeds_are_averaged_and_failed_runs_left_out(grids):
    runs = [grids.point(loss, seed=seed) for seed, loss in enumerate((2.0, 2.1, 2.4))]
    failed = replace(runs[0], seed=3, status="diverged", test_log_perplexity=None)
    other = grids.point(3.0, finetuning_examples=200)
    small, large = cells([*runs, failed, other])
    assert small.losses == (2.0, 2.1, 2.4)
    assert small.loss == pytest.approx(6.5 / 3)
    assert large.loss == 3.0


def test_x_of_the_model_size_factor(grids):
    (cell,) = cells([grids.point()])
    expected = {"nominal": 10_000, "total": 12_000, "non_embedding": 6_000}
    for model_size_as, x in expected.items():
        assert cell.x("llm_model_size", model_size_as) == x
        assert cell.x("pretraining_tokens", model_size_as) == 800_000


def test_a_factor_has_the_points_where_the_others_are_at_the_base(grids):
    base = grids.point(method="lora", pet_parameter_size=4)
    larger = replace(base, nominal_size=20_000)
    shorter = replace(base, pretraining_tokens=100_000)
    wider = replace(base, pet_parameter_size=8)
    both = replace(larger, pretraining_tokens=100_000)
    full = grids.point()
    everything = [base, larger, shorter, wider, both, full]
    selected = {
        factor: on_factor(everything, factor, grids.SETTINGS.base)
        for factor in ("llm_model_size", "pretraining_tokens", "pet_parameter_size")
    }
    assert selected == {
        "llm_model_size": [base, larger, full],
        "pretraining_tokens": [base, shorter, full],
        "pet_parameter_size": [base, wider],
    }


def test_a_cell_is_held_out_if_its_runs_are(grids):
    runs = [grids.point(seed=seed, finetuning_examples=1600) for seed in (0, 1)]
    fitted, held_out = cells([grids.point(), *runs])
    assert (fitted.held_out, held_out.held_out) == (False, True)


def test_the_runs_of_a_cell_share_a_split(grids):
    runs = [grids.point(seed=0, split="fit"), grids.point(seed=1, split="held-out")]
    with pytest.raises(UserError, match=r"help, fmt, llm_model_size 10000.*need the same split"):
        cells(runs)


def test_finetuning_sizes_are_held_out_when_all_their_cells_are(grids):
    fmt, lora = (cells(grids.grid(method, lambda *_: 2.0)) for method in ("fmt", "lora"))
    assert held_out_examples(fmt) == {1600}
    assert held_out_examples([cell for cell in lora if cell.nominal_size != 80_000]) == {1600}
    assert held_out_examples([]) == frozenset()


def test_methods_in_the_order_of_the_paper_then_as_they_appear(grids):
    names = ("ia3", "lora", "adapter", "fmt", "ia3")
    assert methods(grids.point(method=name) for name in names) == ("fmt", "lora", "ia3", "adapter")


def test_the_base_of_a_star_is_its_centre(grids):
    points = [run for method in ("fmt", "lora") for run in grids.grid(method, lambda *_: 2.0)]
    base = infer_base(points)
    assert base == Base(10_000, 800_000, {"lora": 4})
    per_factor = {factor: len(on_factor(points, factor, base)) for factor in FACTORS}
    # four values by six data sizes, for two methods; PET size for one
    assert per_factor == {
        "llm_model_size": 48,
        "pretraining_tokens": 48,
        "pet_parameter_size": 24,
    }


def test_the_base_of_a_full_grid_is_its_largest_fitted_corner(grids):
    points = [
        grids.point(nominal_size=size, pretraining_tokens=tokens, finetuning_examples=examples)
        for size in (10_000, 20_000, 80_000)
        for tokens in (100_000, 400_000, 800_000)
        for examples in (50, 100)
    ]
    held_out = {run.nominal_size for run in points if run.split == "held-out"}
    assert 80_000 in held_out
    assert infer_base(points) == Base(20_000, 800_000, {})


def test_a_factor_that_the_table_lacks_is_no_factor():
    points = [
        Point(model_parameters=size, finetuning_examples=examples, test_log_perplexity=2.0)
        for size in (100, 200)
        for examples in (10, 20, 30)
    ]
    base = infer_base(points)
    assert base == Base(llm_model_size=200)
    assert on_factor(points, "llm_model_size", base) == points
    assert on_factor(points, "pretraining_tokens", base) == []
    assert at_base(points, FACTORS[1:], base) == points
    assert at_base(points, FACTORS, base) == points[3:]
    assert on_factor(points, "pet_parameter_size", base) == []


def test_one_task_is_chosen_by_name_or_because_it_is_the_only_one(grids):
    points = [grids.point(task=task) for task in ("a", "b", "a")]
    assert one_task(points, "a") == [points[0], points[2]]
    assert one_task(points[:1]) == points[:1]
    with pytest.raises(UserError, match=r"2 tasks: a, b; name one \(--task\)"):
        one_task(points)
    with pytest.raises(UserError, match="no points of task 'c'"):
        one_task(points, "c")


def test_families_are_not_mixed(grids):
    points = [grids.point(family=family) for family in ("en-de", "en-zh")]
    with pytest.raises(UserError, match="2 families of base models: en-de, en-zh"):
        one_task(points)


def test_model_size_is_the_first_count_that_is_complete(grids):
    failed = grids.point(None, status="diverged", nominal_size=None, model_parameters=None)
    assert choose_model_size([grids.point(), failed]) == "nominal"
    total = replace(grids.point(), nominal_size=None)
    assert choose_model_size([grids.point(), total, failed]) == "total"
    assert choose_model_size([total], "non_embedding") == "non_embedding"
    with pytest.raises(UserError, match="nominal needs the column nominal_size; there is: total"):
        choose_model_size([total], "nominal")
    bare = Point(finetuning_examples=1, test_log_perplexity=1.0)
    with pytest.raises(UserError, match="no model size at all"):
        choose_model_size([bare], "total")
