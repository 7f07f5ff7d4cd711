"""What repeated seeds say, against computations by hand."""

import math
from statistics import variance

import numpy as np
import pytest

from finescale.laws.noise import PRIOR_FREEDOM, noise_floor, seed_weights
from finescale.laws.points import Cell


def cell(examples: int, *losses: float) -> Cell:
    return Cell("fmt", 1, None, None, None, None, examples, losses)


def test_weights_follow_the_number_of_runs_where_no_seed_is_repeated():
    cells = [cell(10, 2.0), cell(20, 1.9), cell(40, 1.8)]
    assert seed_weights(cells, log=True) == pytest.approx([1, 1, 1])


def test_equal_repeats_say_nothing_about_noise():
    cells = [cell(10, 2.0, 2.0), cell(20, 1.9), cell(40, 1.8)]
    assert seed_weights(cells, log=True) == pytest.approx([1.5, 0.75, 0.75])


@pytest.mark.parametrize("log", [False, True])
def test_weights_by_hand(log):
    """Two cells of D = 10 and one of D = 20 with seeds, one of D = 40 without."""
    cells = [cell(10, 2.0, 2.2), cell(10, 3.0, 3.1, 3.5), cell(20, 1.9, 1.91), cell(40, 1.8)]
    take = math.log if log else float
    squares = [(len(c.losses) - 1) * variance(map(take, c.losses)) for c in cells[:3]]
    everywhere = sum(squares) / 4

    def moderated(square, freedom):
        return (square + PRIOR_FREEDOM * everywhere) / (freedom + PRIOR_FREEDOM)

    small = moderated(squares[0] + squares[1], 3)
    expected = [2 / small, 3 / small, 2 / moderated(squares[2], 1), 1 / everywhere]
    expected = np.array(expected) / np.mean(expected)
    assert seed_weights(cells, log) == pytest.approx(expected)


def test_noisier_data_sizes_weigh_less():
    rng = np.random.default_rng(0)
    scale = {10: 0.02, 1000: 0.005}
    cells = [cell(d, *(2 + s * rng.normal(size=3))) for d, s in scale.items() for _ in range(100)]
    weights = dict(
        zip((c.finetuning_examples for c in cells), seed_weights(cells, False), strict=True)
    )
    assert weights[1000] / weights[10] == pytest.approx(16, rel=0.3)


def test_noise_floor_by_hand():
    """Variances 0.02 and 0.01 with 1 and 2 degrees of freedom; means over 2, 3 and 1 runs."""
    cells = [cell(10, 2.0, 2.2), cell(20, 1.9, 1.8, 2.0), cell(40, 1.8)]
    pooled = (0.02 + 2 * 0.01) / 3
    of_means = pooled * (1 / 2 + 1 / 3 + 1) / 3
    assert noise_floor(cells) == pytest.approx(math.sqrt(2 * of_means / math.pi))


def test_noise_floor_is_what_the_true_law_shows():
    rng = np.random.default_rng(1)
    cells = [cell(10, *(2 + 0.01 * rng.normal(size=3))) for _ in range(2000)]
    shown = np.mean([abs(c.loss - 2) for c in cells])
    assert noise_floor(cells) == pytest.approx(shown, rel=0.05)


def test_no_noise_floor_without_repeated_seeds():
    assert noise_floor([cell(10, 2.0), cell(20, 1.9)]) is None
    assert noise_floor([]) is None
