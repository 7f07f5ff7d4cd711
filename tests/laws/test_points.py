"""points.csv, the held-out rule, means over seeds, and the choice of a factor's points."""

from dataclasses import replace

import pytest

from finescale.errors import UserError
from finescale.laws import HeldOut, read_points, status_counts, write_points
from finescale.laws.points import ALL_DIMENSIONS, COLUMNS, cells, check_splits, on_factor

DESIGNED_COLUMNS = (
    "study, task, method, family, nominal_size, model_parameters, non_embedding_parameters,"
    " pretraining_tokens, pet_parameter_size, finetuning_examples, seed, split, status,"
    " dev_log_perplexity, test_log_perplexity, target_tokens, digest"
)


def test_columns_are_the_documented_interface():
    assert ", ".join(COLUMNS) == DESIGNED_COLUMNS


def test_written_points_read_back(grids, tmp_path):
    points = [
        grids.point(1 / 3, method="lora", pet_parameter_size=4),
        grids.point(),
        grids.point(None, status="diverged", model_parameters=None, target_tokens=None),
    ]
    write_points(tmp_path / "points.csv", points)
    assert read_points(tmp_path / "points.csv") == points


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("method", "adapter", "method is 'adapter'"),
        ("split", "test", "split is 'test'"),
        ("status", "failed", "status is 'failed'"),
        ("seed", "one", "seed is 'one', which is not a number"),
        ("finetuning_examples", "", "finetuning_examples is ''"),
        ("test_log_perplexity", "", "needs a positive number"),
        ("test_log_perplexity", "nan", "needs a positive number"),
        ("test_log_perplexity", "-1", "needs a positive number"),
    ],
)
def test_a_bad_value_is_named_with_its_line(grids, tmp_path, column, value, words):
    path = tmp_path / "points.csv"
    write_points(path, [grids.point(), grids.point()])
    lines = path.read_text().splitlines()
    row = lines[2].split(",")
    row[COLUMNS.index(column)] = value
    path.write_text("\n".join([*lines[:2], ",".join(row)]) + "\n")
    with pytest.raises(UserError, match=r"points\.csv, line 3") as caught:
        read_points(path)
    assert words in str(caught.value)


def test_a_missing_column_is_named(tmp_path):
    (tmp_path / "points.csv").write_text("study,task\n")
    with pytest.raises(UserError, match="missing columns: method"):
        read_points(tmp_path / "points.csv")


def test_statuses_are_counted(grids):
    points = [grids.point(status=status) for status in ("ok", "ok", "diverged")]
    assert status_counts(points) == {"ok": 2, "diverged": 1, "base diverged": 0}


@pytest.mark.parametrize(
    ("changes", "joint", "single"),
    [
        ({}, False, False),
        ({"nominal_size": 80_000}, True, False),
        ({"pretraining_tokens": 400_000}, True, False),
        ({"method": "lora", "pet_parameter_size": 16}, True, False),
        ({"method": "lora", "pet_parameter_size": 4}, False, False),
        ({"finetuning_examples": 1600}, True, True),
        ({"nominal_size": 80_000, "finetuning_examples": 1600}, True, True),
    ],
)
def test_a_point_is_held_out_if_any_coordinate_is(grids, changes, joint, single):
    point = grids.point(split="fit", **changes)
    held_out = grids.SETTINGS.held_out
    assert held_out.excludes(point, ALL_DIMENSIONS) == joint
    assert held_out.excludes(point, ("finetuning_examples",)) == single


def test_held_out_values_belong_to_their_method(grids):
    held_out = HeldOut(
        pet_parameter_size={"lora": 16, "prompt": None},
        finetuning_examples={"fmt": 4, "lora": 8, "prompt": None},
    )
    expected = {("fmt", 4): True, ("fmt", 8): False, ("lora", 8): True, ("prompt", 8): False}
    for (method, examples), out in expected.items():
        point = grids.point(split="fit", method=method, finetuning_examples=examples)
        assert held_out.excludes(point, ALL_DIMENSIONS) == out
    prompt = grids.point(split="fit", method="prompt", pet_parameter_size=16)
    assert not held_out.excludes(prompt, ALL_DIMENSIONS)


def test_nothing_is_held_out_by_default(grids):
    assert not HeldOut().excludes(grids.point(finetuning_examples=1600), ALL_DIMENSIONS)


def test_a_split_that_contradicts_the_held_out_values_is_an_error(grids):
    points = [grids.point(), grids.point(nominal_size=80_000, digest="ab" * 32, split="fit")]
    with pytest.raises(UserError, match=r"abab.*split is 'fit'.*'held-out'"):
        check_splits(points, grids.SETTINGS.held_out)
    check_splits(points[:1], grids.SETTINGS.held_out)


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
