"""Parameters and FLOPs against torch: its parameters, and its flop counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from finescale.costs.architecture import Architecture, Tuned, moments, usual_architecture
from finescale.evaluation.decoding import greedy
from finescale.models import TunedModel, attach, build_decoder, parameter_counts
from finescale.training import adafactor
from finescale.training.adafactor import Adafactor
from finescale.training.loader import Batch
from finescale.training.loss import TargetLoss

SIZE = {"layers": 3, "heads": 4, "head_dim": 8, "ffn_dim": 200, "model_dim": 136}
VOCABULARY = 300
TUNED = [("fmt", 0), ("lora", 5), ("lora", 130), ("prompt", 7), ("prompt", 140)]

# torch counts its fused attention on GPUs; the same kernel for CPUs has another name
KERNELS = torch.ops.aten
ON_CPU = {
    KERNELS._scaled_dot_product_flash_attention_for_cpu: lambda *shapes, **_: sdpa_flop_count(
        *shapes[:3]
    ),
    KERNELS._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda *shapes, **_: sdpa_backward_flop_count(*shapes[:4])
    ),
}


def count() -> FlopCounterMode:
    return FlopCounterMode(display=False, custom_mapping=ON_CPU)


def architecture(vocabulary: int = VOCABULARY, **size: int) -> Architecture:
    return Architecture(**SIZE | size, vocabulary=vocabulary)


def model(
    method: str,
    pet_size: int,
    attention: str = "sdpa",
    activation_checkpointing: bool = False,
) -> TunedModel:
    tuned = attach(build_decoder(SIZE, VOCABULARY, 0), method, pet_size or None)
    tuned.use(attention, activation_checkpointing)
    return tuned.train()


def batch(rows: int, length: int, positions: int) -> Batch:
    ids = torch.randint(3, VOCABULARY, (rows, length))
    places = torch.arange(positions)
    return Batch(ids, places, ids.flatten()[places])


@pytest.mark.parametrize(
    "size",
    [
        SIZE,
        {"layers": 16, "heads": 8, "head_dim": 256, "ffn_dim": 8192, "model_dim": 2048},
        {"layers": 40, "heads": 20, "head_dim": 256, "ffn_dim": 20480, "model_dim": 5120},
    ],
)
def test_parameters_are_those_of_the_model(size):
    counts = parameter_counts(size, 256_000)
    counted = Architecture(**size, vocabulary=256_000)
    assert counted.parameters == counts.total
    assert counted.non_embedding == counts.non_embedding


@pytest.mark.parametrize(("method", "pet_size"), TUNED)
def test_trained_parameters_and_state_are_those_of_the_run(method, pet_size):
    tuned, counted = model(method, pet_size), Tuned(architecture(), method, pet_size)
    trained = list(tuned.trainable().values())
    optimizer = Adafactor(trained, 0.1, parameter_scaling=True)
    TargetLoss(tuned)(batch(2, 9, 5)).backward()
    optimizer.step()
    state = [moment for own in optimizer.state.values() for moment in own.values()]
    assert counted.trained == sum(p.numel() for p in trained)
    assert counted.second_moments == sum(moment.numel() for moment in state)
    largest = max(p.numel() for p in trained)
    assert largest <= counted.largest_trained <= 1.01 * largest


def test_adafactor_factors_what_training_factors():
    assert adafactor.FACTORED_FROM == 128
    assert moments(127, 1000) == 127_000
    assert moments(128, 1000) == 1128


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize(("method", "pet_size"), TUNED)
def test_flops_of_training_are_those_that_torch_counts(method, pet_size, attention):
    tuned, counted = model(method, pet_size, attention), Tuned(architecture(), method, pet_size)
    rows, length, positions = 3, 40, 17
    with count() as forward:
        loss = TargetLoss(tuned)(batch(rows, length, positions))
    with count() as backward:
        loss.backward()
    assert forward.get_total_flops() == counted.forward_flops(rows, length, positions)
    assert backward.get_total_flops() == pytest.approx(
        counted.backward_flops(rows, length, positions, attention), rel=1e-9
    )


@pytest.mark.parametrize(("method", "pet_size"), TUNED)
def test_flops_of_recomputed_activations_are_those_that_torch_counts(method, pet_size):
    tuned = model(method, pet_size, activation_checkpointing=True)
    counted = Tuned(architecture(), method, pet_size)
    loss = TargetLoss(tuned)(batch(3, 40, 17))
    with count() as backward:
        loss.backward()
    expected = counted.backward_flops(3, 40, 17) + counted.recomputed_flops(3, 40)
    assert backward.get_total_flops() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("method", "pet_size"), TUNED)
def test_flops_of_decoding_are_those_that_torch_counts(method, pet_size):
    tuned, counted = model(method, pet_size), Tuned(architecture(), method, pet_size)
    prompts, new = torch.randint(3, VOCABULARY, (4, 20)).tolist(), 12
    with count() as counter:
        greedy(tuned, prompts, new, stop=frozenset())
    assert counter.get_total_flops() == pytest.approx(4 * counted.decoding_flops(20, new), rel=1e-9)


def test_flops_are_six_per_parameter_and_token_where_attention_and_vocabulary_are_small():
    counted = Tuned(architecture(vocabulary=2, layers=50, ffn_dim=2000))
    flops = counted.forward_flops(10, 8, 80) + counted.backward_flops(10, 8, 80)
    assert flops == pytest.approx(6 * counted.architecture.parameters * 80, rel=0.01)


@pytest.mark.parametrize("nominal", [70e6, 160e6, 410e6, 1e9, 2.8e9, 7e9, 13e9, 70e9])
def test_usual_dimensions_have_about_the_parameters_that_a_size_is_called_by(nominal):
    own = usual_architecture(nominal, 50_000)
    assert own.parameters == pytest.approx(nominal, rel=0.35)
    assert own.heads * own.head_dim == own.model_dim == 128 * own.layers
