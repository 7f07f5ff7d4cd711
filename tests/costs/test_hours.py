"""Time: what bounds each kind of work."""

from dataclasses import replace

import pytest

from finescale.costs import read_hardware
from finescale.costs.architecture import Architecture, Tuned
from finescale.costs.hours import HOST, Speed, start
from finescale.study.config import complete_config
from finescale.study.hardware import TrainingHardware

BIG = Tuned(Architecture(40, 20, 256, 20480, 5120, 256_000))
TINY = Tuned(Architecture(4, 2, 8, 32, 16, 300))
ALONE = TrainingHardware()


@pytest.fixture
def hardware(root, config):
    study = complete_config(config("paper"), root / "workflow/schemas/config.schema.yaml", "c")
    return read_hardware(study, root, "h100")


def test_large_steps_take_what_their_flops_take(hardware):
    speed = Speed(hardware, BIG, "bf16", ALONE)
    assert speed.step(1e16, passes=1) == pytest.approx(1e16 / (989e12 * 0.35))
    assert Speed(hardware, BIG, "fp32", ALONE).step(1e16, 1) == pytest.approx(1e16 / (67e12 * 0.35))
    eight = Speed(hardware, BIG, "bf16", TrainingHardware(devices=8))
    assert eight.step(1e16, 1) == pytest.approx(speed.step(1e16, 1) / 8)


@pytest.mark.parametrize("method", ["fmt", "lora", "prompt"])
def test_small_steps_take_what_starting_their_kernels_takes(hardware, method):
    speed = Speed(hardware, replace(TINY, method=method, pet_size=4), "bf16", ALONE)
    forward, backward, update = HOST[method]
    assert speed.step(1e6, passes=3) == pytest.approx(4 * (3 * (forward + backward) + update))
    again = replace(speed, on=TrainingHardware(activation_checkpointing=True))
    assert again.step(1e6, 3) > speed.step(1e6, 3)


def test_sharded_steps_take_what_their_links_take(hardware):
    near = Speed(hardware, BIG, "bf16", TrainingHardware(devices=8, strategy="fsdp"))
    far = replace(near, on=TrainingHardware(devices=8, nodes=2, strategy="fsdp"))
    whole = 4 * BIG.architecture.parameters * 7 / 8
    assert near.step(1e12, passes=2) == pytest.approx(2 * 3 * whole / (450e9 * 0.6))
    assert far.step(1e12, passes=2) == pytest.approx(2 * 3 * whole / (50e9 * 0.6))
    frozen = replace(near, tuned=replace(BIG, method="lora", pet_size=4))
    assert frozen.step(1e12, 2) == pytest.approx(near.step(1e12, 2) * 2 / 3, rel=0.01)


def test_copies_send_their_gradients_once_a_step(hardware):
    copies = Speed(hardware, BIG, "bf16", TrainingHardware(devices=2))
    gradients = 4 * BIG.architecture.parameters / 2
    for passes in (1, 3):
        assert copies.step(1e12, passes) == pytest.approx(2 * gradients / (450e9 * 0.6))


def test_evaluation_is_shared_by_devices(hardware):
    one = Speed(hardware, BIG, "bf16", ALONE).evaluation(1e17, 1000, 100)
    four = Speed(hardware, BIG, "bf16", TrainingHardware(devices=4)).evaluation(1e17, 1000, 100)
    assert one == pytest.approx(4 * four) == pytest.approx(1e17 / (989e12 * 0.35))
    assert Speed(hardware, BIG, "bf16", ALONE).evaluation(0.0, 0, 100) == 0


def test_decoding_reads_the_weights_for_every_new_id(hardware):
    speed = Speed(hardware, BIG, "fp32", ALONE)
    weights = 4 * BIG.architecture.parameters / (3350e9 * 0.5)
    few = speed.decoding(1, prompt=10, new=101)
    assert 100 * weights < few < 102 * weights
    # a batch reads them once for all its rows
    assert speed.decoding(8, 10, 101) < 1.1 * few
    assert Speed(hardware, TINY, "fp32", ALONE).decoding(1, 10, 101) == pytest.approx(
        4 * HOST["fmt"][0] * 101
    )


def test_more_rows_than_a_batch_take_more_batches(hardware):
    speed = Speed(hardware, BIG, "fp32", ALONE)
    batch = 16384 // (200 + 56)
    assert speed.decoding(10 * batch, 200, 56) == pytest.approx(10 * speed.decoding(batch, 200, 56))


def test_a_job_starts_and_reads_its_weights():
    assert start(0) == 40
    assert start(64e9) == 40 + 128
