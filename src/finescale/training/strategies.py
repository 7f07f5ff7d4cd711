"""What Lightning has to know of a run's processes and devices."""

from typing import Any

from lightning.fabric.plugins.environments import ClusterEnvironment, LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy

from finescale.launch import Company
from finescale.training.placement import Placement


def trainer_options(placement: Placement) -> dict[str, Any]:
    """Arguments of a Lightning trainer.

    To Lightning each process is a node of its own with one device: which device of its host it is,
    `Placement` has found already. Naming the environment keeps Lightning from finding SLURM, whose
    jobs it would put back into the queue by itself.
    """
    company, device = placement.company, placement.device
    options = {
        "accelerator": "cpu" if device.type == "cpu" else "gpu",
        "devices": 1 if device.type == "cpu" else [device.index],
    }
    if company.ranks == 1:
        return options | {"plugins": [LightningEnvironment()]}
    return options | {
        "num_nodes": company.ranks,
        "plugins": [Processes(company)],
        "strategy": ModelParallelStrategy(data_parallel_size=company.ranks, tensor_parallel_size=1)
        if placement.sharded
        else DDPStrategy(gradient_as_bucket_view=True, broadcast_buffers=False),
    }


class Processes(ClusterEnvironment):
    """Processes that run already and have met."""

    def __init__(self, company: Company):
        self.company = company

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        raise NotImplementedError("the processes have met")

    @property
    def main_port(self) -> int:
        raise NotImplementedError("the processes have met")

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self.company.ranks

    def set_world_size(self, size: int) -> None:
        """It is as it is."""

    def global_rank(self) -> int:
        return self.company.rank

    def set_global_rank(self, rank: int) -> None:
        """It is as it is."""

    def local_rank(self) -> int:
        return 0

    def node_rank(self) -> int:
        return self.company.rank
