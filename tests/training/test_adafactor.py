"""Adafactor against a float64 computation written from the paper's formulas and T5X's defaults."""

import multiprocessing
import socket

import numpy as np
import pytest
import torch

from finescale.training.adafactor import Adafactor

SHAPES = {
    "factored": (130, 150),
    "factored in three dimensions": (2, 128, 130),
    "too narrow to factor": (300, 127),
    "vector": (200,),
}


def reference(weight, gradients, rate, scaling):
    """T5X's update: shapes of the last two dimensions, row and column means in float64."""
    weight = weight.astype(np.float64)
    moment = row = column = 0.0
    factored = weight.ndim > 1 and min(weight.shape[-2:]) >= 128
    for t, gradient in enumerate(gradients, start=1):
        gradient = gradient.astype(np.float64)
        beta = 1 - t**-0.8
        square = gradient**2 + 1e-30
        if factored:
            row = beta * row + (1 - beta) * square.mean(-1)
            column = beta * column + (1 - beta) * square.mean(-2)
            outer = row[..., :, None] * column[..., None, :]
            estimate = outer / row.mean(-1)[..., None, None]
        else:
            moment = beta * moment + (1 - beta) * square
            estimate = moment
        update = gradient / np.sqrt(estimate)
        update /= max(1.0, np.sqrt(np.mean(update**2)))
        size = max(1e-3, np.sqrt(np.mean(weight**2))) if scaling else 1.0
        weight = weight - rate * size * update
    return weight


def run(weight, gradients, rate, scaling):
    parameter = torch.nn.Parameter(torch.from_numpy(weight))
    optimizer = Adafactor([parameter], lr=rate, parameter_scaling=scaling)
    for gradient in gradients:
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
    return parameter.detach().numpy()


def draw(shape, scale=1.0, steps=12, dtype=np.float64):
    rng = np.random.default_rng(len(shape))
    size = rng.lognormal(size=shape)  # some entries move much more than others
    gradients = [(scale * size * rng.normal(size=shape)).astype(dtype) for _ in range(steps)]
    return (0.1 * rng.normal(size=shape)).astype(dtype), gradients


@pytest.mark.parametrize("scaling", [True, False])
@pytest.mark.parametrize("rate", [0.001, 0.3])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_equals_the_float64_reference(shape, rate, scaling):
    weight, gradients = draw(shape)
    expected = reference(weight, gradients, rate, scaling)
    np.testing.assert_allclose(run(weight, gradients, rate, scaling), expected, rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-7, 1e-3, 1e3])
def test_float32_holds_for_gradients_of_any_size(scale):
    weight, gradients = draw((130, 150), scale, dtype=np.float32)
    expected = reference(weight, gradients, 0.01, True)
    moved = np.sqrt(np.mean((expected - weight) ** 2))
    np.testing.assert_allclose(
        run(weight.copy(), gradients, 0.01, True), expected, atol=1e-5 * moved, rtol=1e-5
    )


def test_rows_without_gradient_stay_and_nothing_becomes_nan():
    weight, gradients = draw((130, 150), dtype=np.float32)
    for gradient in gradients:
        gradient[7] = 0.0
    moved = run(weight.copy(), gradients, 0.01, False)
    assert np.isfinite(moved).all()
    np.testing.assert_array_equal(moved[7], weight[7])
    assert (moved[8] != weight[8]).all()


def test_a_parameter_at_zero_moves_by_the_least_size():
    gradient = np.ones((4, 3), dtype=np.float32)
    moved = run(np.zeros((4, 3), dtype=np.float32), [gradient], 0.1, True)
    np.testing.assert_allclose(moved, -0.1 * 1e-3, rtol=1e-5)


def test_saved_state_goes_on_exactly():
    weight, gradients = draw((130, 150))
    whole = run(weight.copy(), gradients, 0.01, True)
    first = torch.nn.Parameter(torch.from_numpy(weight.copy()))
    optimizer = Adafactor([first], lr=0.01, parameter_scaling=True)
    for gradient in gradients[:5]:
        first.grad = torch.from_numpy(gradient)
        optimizer.step()
    second = torch.nn.Parameter(first.detach().clone())
    resumed = Adafactor([second], lr=0.01, parameter_scaling=True)
    resumed.load_state_dict(optimizer.state_dict())
    for gradient in gradients[5:]:
        second.grad = torch.from_numpy(gradient)
        resumed.step()
    np.testing.assert_array_equal(second.detach().numpy(), whole)


def _sharded(rank, port, shape, results):
    """One of two processes that hold half of the rows of a weight each."""
    from torch.distributed.tensor import Shard, distribute_tensor, init_device_mesh

    store = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    weight, gradients = draw(shape)
    sharded = distribute_tensor(torch.from_numpy(weight), mesh, [Shard(0)])
    parameter = torch.nn.Parameter(sharded)
    optimizer = Adafactor([parameter], lr=0.01, parameter_scaling=True)
    for gradient in gradients:
        parameter.grad = distribute_tensor(torch.from_numpy(gradient), mesh, [Shard(0)])
        optimizer.step()
    full = parameter.full_tensor().detach().numpy()
    if rank == 0:
        results.put((full, tuple(parameter.to_local().shape)))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("shape", [(130, 150), (131, 150), (60, 10), (1, 10), (21,)])
def test_sharded_weights_take_the_same_steps(shape):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")  # the children need no second import
    results = context.Queue()
    children = [
        context.Process(target=_sharded, args=(rank, port, shape, results)) for rank in range(2)
    ]
    for child in children:
        child.start()
    moved, local = results.get(timeout=60)
    for child in children:
        child.join()
    weight, gradients = draw(shape)
    assert local[0] == -(-shape[0] // 2)
    np.testing.assert_allclose(moved, run(weight, gradients, 0.01, True), rtol=1e-9)
