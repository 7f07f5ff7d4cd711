"""Parts of the smoke study on the cluster."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from finescale.study.files import plan_file
from tests.pipeline.conftest import Checkout, Run

# Little is computed here, so Snakemake should ask often; the profile asks a cluster seldom.
OFTEN = ("--slurm-init-seconds-before-status-checks", "2")
FINETUNING = "help-en-de fmt on XXS 20.5k tokens, 32 examples, seed 0"


def command(checkout: Checkout, *arguments: str) -> list[str]:
    """Snakemake as a user starts it, so that only the time between two looks differs."""
    study = ["--profile", "slurm", "--configfile", "config/smoke.yaml"]
    return [sys.executable, "-m", "snakemake", *study, *OFTEN, *arguments]


def environment(checkout: Checkout, **site: Any) -> dict[str, str]:
    """The environment of a run whose cluster has these settings."""
    file = checkout.folder / "site.yaml"
    file.write_text(yaml.safe_dump({"gpu": "h100", "cpus_per_gpu": 1} | site))
    return os.environ | {"FINESCALE_SITE": str(file)}


def on_cluster(checkout: Checkout, *arguments: str, **site: Any) -> Run:
    done = subprocess.run(
        command(checkout, *arguments),
        cwd=checkout.folder,
        env=environment(checkout, **site),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    return Run(done.returncode, done.stdout)


def planned(checkout: Checkout, stage: str, label: str) -> str:
    """The manifest of the artifact that people call by this label, in the plan of smoke.yaml."""
    plan = plan_file(checkout.folder / "config/smoke.yaml", checkout.folder)
    (reference,) = [
        reference
        for reference, name in plan.labels.items()
        if name == label and reference.startswith(f"{stage}/")
    ]
    stage, digest = reference.split("/")
    return f"results/store/{stage}/{digest[:20]}/artifact.json"


def forget(checkout: Checkout, manifest: str) -> None:
    """Remove one artifact."""
    shutil.rmtree((checkout.folder / manifest).parent)


def content(checkout: Checkout, manifest: str) -> str:
    return json.loads((checkout.folder / manifest).read_text())["content_sha256"]


def losses(checkout: Checkout, manifest: str) -> Mapping[str, Any]:
    return json.loads((checkout.folder / manifest).with_name("result.json").read_text())


def log(checkout: Checkout, manifest: str) -> str:
    """What the program of an artifact said."""
    stage, digest = Path(manifest).parts[2:4]
    return (checkout.folder / f"results/logs/{stage}/{digest}.log").read_text()
