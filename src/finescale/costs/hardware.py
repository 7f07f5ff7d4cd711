"""What jobs run on: the GPU kind, the cluster, and the config's own hardware section."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from finescale.errors import UserError, suggestion
from finescale.study.config import load_config
from finescale.study.hardware import TrainingHardware, training_hardware

GPUS = Path("config/gpus.yaml")
SITE = Path("config/site.yaml")
SCHEMAS = Path("workflow/schemas")
SITE_VARIABLE = "FINESCALE_SITE"  # an environment variable: another file than SITE


@dataclass(frozen=True)
class Gpu:
    """One kind of GPU: memory in GiB, peaks in TFLOP/s, bandwidths in GB/s (one direction)."""

    name: str
    memory_gib: float
    bf16_tflops: float
    fp32_tflops: float
    memory_gb_s: float
    link_gb_s: float
    source: str

    def flops(self, precision: str) -> float:
        """Peak FLOP/s of matrix products."""
        return 1e12 * (self.bf16_tflops if precision == "bf16" else self.fp32_tflops)


@dataclass(frozen=True)
class Utilisation:
    """Shares of a GPU's peaks that are assumed to be reached."""

    memory: float
    training: float
    inference: float
    bandwidth: float
    link: float


@dataclass(frozen=True)
class Site:
    """The settings of a cluster; the schema says what each means."""

    gpu: str
    gpus: int
    gpus_per_node: int
    cpus_per_gpu: int
    text_cpus: int
    host_memory_gib: float
    network_gb_s: float
    queue_limit_hours: float
    partitions: Mapping[str, str | None]
    account: str | None
    gpu_resource: str


@dataclass(frozen=True)
class Hardware:
    """All that the cost of a job depends on besides its recipe."""

    gpu: Gpu
    utilisation: Utilisation
    site: Site
    config: Mapping[str, Any]

    def training(self, kind: str, size: str) -> TrainingHardware:
        """What a run of a kind and a model size is trained on."""
        return training_hardware(self.config, kind, size)

    @property
    def memory_bytes(self) -> float:
        """What tensors may take of a device."""
        return self.gpu.memory_gib * 2**30 * self.utilisation.memory

    def link_bytes(self, nodes: int) -> float:
        """Bytes per second between the devices of a job, as assumed."""
        slowest = self.gpu.link_gb_s
        if nodes > 1:
            slowest = min(slowest, self.site.network_gb_s)
        return 1e9 * slowest * self.utilisation.link


def read_hardware(config: Mapping[str, Any], root: Path, gpu: str | None = None) -> Hardware:
    """The hardware of a completed config in the repository at `root`.

    `gpu` is a kind of config/gpus.yaml, the site's unless given. UserError for mistakes in files.
    """
    site = read_site(root)
    kinds, utilisation = read_gpus(root)
    name = gpu or site.gpu
    if name not in kinds:
        where = "--gpu" if gpu else f"`gpu` of {site_file(root)}"
        raise UserError(f"{where}: {root / GPUS} has no `{name}`{suggestion(name, kinds)}")
    return Hardware(kinds[name], utilisation, site, config)


def read_gpus(root: Path) -> tuple[dict[str, Gpu], Utilisation]:
    """The GPU kinds by name, and what is assumed of them all."""
    content = load_config(root / GPUS, root / SCHEMAS / "gpus.schema.yaml")
    kinds = {name: Gpu(name, **facts) for name, facts in content["gpus"].items()}
    return kinds, Utilisation(**content["utilisation"])


def site_file(root: Path) -> Path:
    """Where the settings of the cluster stand."""
    return Path(os.environ.get(SITE_VARIABLE) or root / SITE)


def read_site(root: Path) -> Site:
    """The settings of the cluster, completed with the schema's defaults."""
    content = load_config(site_file(root), root / SCHEMAS / "site.schema.yaml")
    return Site(**{field.name: content[field.name] for field in fields(Site)})
