"""What one job costs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class JobCost:
    """The cost of making one artifact; memory, disk and time are estimates.

    `flops` are those that the recipe asks for, whatever it runs on. `devices` are GPUs, 0 for a job
    that needs none; memory is that of one device, and of one host. `unfinished_bytes` lie on the
    disk while the job is not finished.
    """

    flops: float = 0.0
    wall_hours: float = 0.0
    devices: int = 0
    nodes: int = 1
    device_memory_bytes: float = 0.0
    host_memory_bytes: float = 2e9
    disk_bytes: float = 0.0
    unfinished_bytes: float = 0.0

    @property
    def gpu_hours(self) -> float:
        return self.wall_hours * self.devices
