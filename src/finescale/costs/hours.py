"""How long work takes: the slowest of arithmetic, memory, the host and the links between devices.

Seconds of a pass are the largest of four, because they overlap: FLOPs over the peak, bytes over the
bandwidth, kernels that Python has to start one by one, weights and gradients that devices send each
other. None of it was fitted to a cluster: config/gpus.yaml holds what to adjust.
"""

from dataclasses import dataclass

from finescale.costs.architecture import Tuned
from finescale.costs.hardware import Hardware
from finescale.costs.memory import EVALUATION_IDS, FP32, generation_rows
from finescale.study.hardware import TrainingHardware

# Seconds of Python and kernel starts for a layer of the decoder, measured with layers too small to
# compute anything (one core of a server, torch 2.13): a forward pass, a backward pass, an update.
HOST = {
    "fmt": (0.00023, 0.00065, 0.0004),
    "lora": (0.0006, 0.0013, 0.001),
    "prompt": (0.00023, 0.0005, 0.0),
}
START_SECONDS = 40.0  # of a job: imports, CUDA, the processes' meeting
STORE_BYTES_PER_SECOND = 5e8  # weights read or written, with their SHA-256


@dataclass(frozen=True)
class Speed:
    """How fast one kind of work goes on a job's devices."""

    hardware: Hardware
    tuned: Tuned
    precision: str
    on: TrainingHardware

    def step(self, flops: float, passes: int) -> float:
        """Seconds of a training step: `flops` on all devices, so many passes on each."""
        return max(
            flops / self.on.devices / self._flops(self.hardware.utilisation.training),
            self._host_step(passes),
            self._sent_in_step(passes) / self.hardware.link_bytes(self.on.nodes),
        )

    def evaluation(self, flops: float, rows: int, length: float) -> float:
        """Seconds of forward passes over rows that are padded to `length` or less."""
        ids_of_row = length + self.tuned.prompt
        batches = rows / max(1, EVALUATION_IDS // ids_of_row)
        passes = -(-batches // self.on.devices)
        sent = passes * self._gathered() if self.on.shards > 1 else 0.0
        return max(
            flops / self.on.devices / self._flops(self.hardware.utilisation.inference),
            passes * self._layers * HOST[self.tuned.method][0],
            sent / self.hardware.link_bytes(self.on.nodes),
        )

    def decoding(self, rows: int, prompt: int, new: int) -> float:
        """Seconds to write `new` ids after each of `rows` prompts, in batches, on one device."""
        together = min(rows, generation_rows(prompt, new))
        peak = self._flops(self.hardware.utilisation.inference)
        host = self._layers * HOST[self.tuned.method][0]
        first = together * self.tuned.forward_flops(1, prompt, 1) / peak
        after = together * self.tuned.decoding_flops(prompt, new) / peak - first
        read = (new - 1) * self._read_by_step(together, prompt + new / 2)
        return rows / together * (max(first, host) + max(after, (new - 1) * host, read))

    @property
    def _layers(self) -> int:
        return self.tuned.architecture.layers

    def _flops(self, utilisation: float) -> float:
        return self.hardware.gpu.flops(self.precision) * utilisation

    def _host_step(self, passes: int) -> float:
        forward, backward, update = HOST[self.tuned.method]
        again = forward if self.on.activation_checkpointing else 0.0
        return self._layers * (passes * (forward + backward + again) + update)

    def _gathered(self) -> float:
        """Bytes that a device receives to have all weights once."""
        others = 1 - 1 / self.on.devices
        return FP32 * others * (self.tuned.architecture.parameters + self._adapters)

    @property
    def _adapters(self) -> int:
        return 0 if self.tuned.method == "fmt" else self.tuned.trained

    def _sent_in_step(self, passes: int) -> float:
        """Bytes through the link of a device."""
        gradients = FP32 * (1 - 1 / self.on.devices) * self.tuned.trained
        if self.on.shards > 1:  # weights for forward and backward pass, and their gradients back
            return passes * (2 * self._gathered() + gradients)
        return 2 * gradients

    def _read_by_step(self, rows: int, seen: float) -> float:
        """Seconds to read all weights and the cache of so many ids a row, in fp32."""
        own = self.tuned.architecture
        cache = 2 * own.layers * own.head_dim * rows * (seen + self.tuned.prompt)
        speed = 1e9 * self.hardware.gpu.memory_gb_s * self.hardware.utilisation.bandwidth
        return FP32 * (own.parameters + self._adapters + cache) / speed


def start(bytes_of_weights: float) -> float:
    """Seconds of a job that are no work: to start, to read weights and to write them."""
    return START_SECONDS + bytes_of_weights / STORE_BYTES_PER_SECOND
