"""Memory against the tensors that are really there, on models small enough to run."""

from types import ModuleType

import pytest
import torch

from finescale.costs import memory
from finescale.costs.architecture import Architecture, Tuned
from finescale.costs.memory import Pass, TrainingMemory, generation_memory, largest_pass
from finescale.evaluation import decoding
from finescale.evaluation.decoding import greedy
from finescale.models import TunedModel, attach, build_decoder
from finescale.study.hardware import TrainingHardware
from finescale.training import evaluation, loss
from finescale.training.adafactor import Adafactor
from finescale.training.loader import Batch
from finescale.training.loss import TargetLoss

SIZE = {"layers": 6, "heads": 4, "head_dim": 32, "ffn_dim": 512, "model_dim": 128}
METHODS = [("fmt", 0), ("lora", 8), ("prompt", 20)]
SMALL = 500  # vocabulary, where activations are most of it
LARGE = 8000  # where logits and embedding are


def model(method: str, pet_size: int, vocabulary: int, hardware: TrainingHardware) -> TunedModel:
    tuned = attach(build_decoder(SIZE, vocabulary, 0), method, pet_size or None)
    tuned.use(hardware.attention, hardware.activation_checkpointing)
    return tuned.train()


def tuned_of(method: str, pet_size: int, vocabulary: int) -> Tuned:
    return Tuned(Architecture(**SIZE, vocabulary=vocabulary), method, pet_size)


def batch(step: Pass, vocabulary: int) -> Batch:
    ids = torch.randint(3, vocabulary, (step.rows, step.length))
    positions = torch.arange(step.positions)
    return Batch(ids, positions, ids.flatten()[positions])


def backward(target_loss: TargetLoss, step: Pass, vocabulary: int, precision: str) -> None:
    # as Lightning's precision plugin has it
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16", cache_enabled=False):
        (target_loss(batch(step, vocabulary)) / step.positions).backward()


def measured_peak(
    tensors: ModuleType, tuned: TunedModel, vocabulary: int, precision: str, step: Pass
) -> int:
    """Bytes of tensors at the peak of the second step, which has a state."""
    target_loss = TargetLoss(tuned)
    optimizer = Adafactor(tuned.trainable().values(), 1e-3, parameter_scaling=True)
    with tensors.TensorBytes([*tuned.parameters(), *tuned.buffers()]) as seen:
        for _ in range(2):
            seen.peak = 0
            for _ in range(step.repeats):
                backward(target_loss, step, vocabulary, precision)
            optimizer.step()
            optimizer.zero_grad()
    return seen.peak


def estimated_peak(tuned: Tuned, precision: str, hardware: TrainingHardware, step: Pass) -> float:
    """Without evaluation, which the measured runs do not have."""
    return max(list(TrainingMemory(tuned, precision, hardware, step)._moments())[:-1])


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("method", "pet_size"), METHODS)
def test_what_autograd_keeps_of_a_pass(tensors, method, pet_size, precision, attention):
    hardware = TrainingHardware(attention=attention)
    step = Pass(rows=4, length=64, positions=30)
    tuned = model(method, pet_size, SMALL, hardware)
    context, kept = tensors.kept_bytes(tuned.parameters())
    with (
        context,
        torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16", cache_enabled=False),
    ):
        # the sum is what hands on a gradient: the graph must live until everything is counted
        total = TargetLoss(tuned)(batch(step, SMALL))
    there = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    assert total.requires_grad
    estimate = TrainingMemory(tuned_of(method, pet_size, SMALL), precision, hardware, step)
    logits = estimate.logits / 3  # one fp32 number of the three
    copy = 2 * SMALL * SIZE["model_dim"] if precision == "bf16" else 0
    expected = estimate.activations + estimate.copies + logits + copy
    assert there == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(
    ("vocabulary", "step"),
    [
        (SMALL, Pass(rows=8, length=128, positions=8 * 60)),
        (SMALL, Pass(rows=2, length=512, positions=20)),
        (LARGE, Pass(rows=8, length=64, positions=8 * 60, repeats=2)),
        (LARGE, Pass(rows=1, length=16, positions=8)),
    ],
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("method", "pet_size"), METHODS)
def test_the_peak_of_training(tensors, method, pet_size, precision, vocabulary, step):
    hardware = TrainingHardware()
    measured = measured_peak(
        tensors, model(method, pet_size, vocabulary, hardware), vocabulary, precision, step
    )
    tuned = tuned_of(method, pet_size, vocabulary)
    assert estimated_peak(tuned, precision, hardware, step) == pytest.approx(measured, rel=0.05)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("method", "pet_size"), METHODS)
def test_the_peak_with_activations_computed_again(tensors, method, pet_size, precision, attention):
    hardware = TrainingHardware(activation_checkpointing=True, attention=attention)
    step = Pass(rows=8, length=128, positions=8 * 60)
    measured = measured_peak(
        tensors, model(method, pet_size, SMALL, hardware), SMALL, precision, step
    )
    tuned = tuned_of(method, pet_size, SMALL)
    assert estimated_peak(tuned, precision, hardware, step) == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize("method", ["fmt", "lora"])
def test_the_peak_where_logits_are_made_in_pieces(tensors, method, monkeypatch):
    for module in (loss, memory):
        monkeypatch.setattr(module, "TRAINING_LOGITS", 100 * LARGE)
    hardware, step = TrainingHardware(), Pass(rows=8, length=64, positions=8 * 60)
    pet_size = dict(METHODS)[method]
    measured = measured_peak(tensors, model(method, pet_size, LARGE, hardware), LARGE, "bf16", step)
    tuned = tuned_of(method, pet_size, LARGE)
    estimate = TrainingMemory(tuned, "bf16", hardware, step)
    assert estimate.logits == 12 * 100 * LARGE
    assert estimated_peak(tuned, "bf16", hardware, step) == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize(("method", "pet_size"), METHODS)
def test_the_peak_of_generation_is_not_above_the_estimate(tensors, method, pet_size):
    tuned = model(method, pet_size, SMALL, TrainingHardware()).eval()
    prompts = torch.randint(3, SMALL, (60, 40)).tolist()
    with tensors.TensorBytes([*tuned.parameters(), *tuned.buffers()]) as seen:
        greedy(tuned, prompts, 20, stop=frozenset(), batch_ids=60 * 60)
    estimate = generation_memory(tuned_of(method, pet_size, SMALL), 40, 20, batch_ids=60 * 60)
    assert 0.5 * estimate < seen.peak < estimate


def test_batches_are_as_large_as_the_programs_make_them():
    assert memory.EVALUATION_IDS == evaluation.BATCH_IDS
    assert memory.EVALUATION_LOGITS == loss.EVALUATION_LOGITS
    assert memory.TRAINING_LOGITS == loss.TRAINING_LOGITS
    assert memory.GENERATION_IDS == decoding.BATCH_IDS


@pytest.mark.parametrize(
    ("hardware", "expected"),
    [
        (TrainingHardware(), Pass(128, 100, 128 * 30)),
        (TrainingHardware(devices=8), Pass(16, 100, 16 * 30)),
        (TrainingHardware(micro_batch_tokens=350), Pass(3, 100, 3 * 30, 43)),
        (TrainingHardware(micro_batch_tokens=99), Pass(1, 100, 30, 128)),
        (TrainingHardware(devices=3, micro_batch_tokens=10**6), Pass(43, 100, 43 * 30)),
    ],
)
def test_a_pass_is_a_device_s_share_or_a_micro_batch(hardware, expected):
    assert largest_pass(hardware, 128, 100, 30) == expected


def test_devices_share_what_fsdp_shards():
    alone = TrainingMemory(tuned_of("fmt", 0, LARGE), "bf16", TrainingHardware(), Pass(1, 16, 8))
    shared = TrainingMemory(
        tuned_of("fmt", 0, LARGE),
        "bf16",
        TrainingHardware(devices=4, strategy="fsdp"),
        Pass(1, 16, 8),
    )
    copied = TrainingMemory(
        tuned_of("fmt", 0, LARGE), "bf16", TrainingHardware(devices=4), Pass(1, 16, 8)
    )
    for part in ("weights", "gradients", "optimizer"):
        assert getattr(shared, part) == getattr(alone, part) / 4
        assert getattr(copied, part) == getattr(alone, part)
    assert shared.gathered > 0 == alone.gathered


def test_the_largest_model_needs_what_its_weights_take():
    sixteen = Tuned(Architecture(40, 20, 256, 20480, 5120, 256_000))
    memory_of = TrainingMemory(sixteen, "bf16", TrainingHardware(), Pass(1, 512, 256))
    assert memory_of.weights == 4 * sixteen.architecture.parameters
    assert memory_of.peak > 2 * memory_of.weights  # and gradients
