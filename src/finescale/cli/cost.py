"""`finescale cost`: what a study takes: FLOPs, GPU-hours, memory, disk and time."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finescale.cli.tables import bullets, paragraph, text_table, to_json
from finescale.counts import format_bytes
from finescale.errors import UserError

if TYPE_CHECKING:
    from finescale.costs.examples import Basis
    from finescale.costs.hardware import Hardware
    from finescale.costs.summary import Summary, Total

GIB = 2**30


def add_commands(commands: Any) -> None:
    """Add the command to the sub-parsers."""
    costing = commands.add_parser(
        "cost", description="FLOPs, GPU-hours, memory, disk and time of what a study still needs"
    )
    costing.add_argument("config", type=Path, help="the study's config, config/paper.yaml")
    costing.add_argument(
        "--gpu", metavar="KIND", help="a kind of config/gpus.yaml (default: config/site.yaml's)"
    )
    costing.add_argument(
        "--gpus",
        type=_at_least_one,
        metavar="N",
        help="GPUs that the study may have at a time (default: config/site.yaml's)",
    )
    costing.add_argument("--json", action="store_true", help="print everything as JSON")
    costing.set_defaults(run=_cost)


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"--gpus is {text!r}, which is not a positive whole number")
    return int(text)


def _cost(parsed: argparse.Namespace) -> int:
    from finescale.costs.hardware import read_hardware
    from finescale.costs.jobs import Costs
    from finescale.costs.summary import summarize
    from finescale.study.config import load_config
    from finescale.study.files import SCHEMA, SOURCES, plan_file
    from finescale.study.source_files import read_sources

    root = Path()
    plan, config = plan_file(parsed.config, root), load_config(parsed.config, SCHEMA)
    hardware = read_hardware(config, root, parsed.gpu)
    costs = Costs(plan, hardware, read_sources(SOURCES, root), parsed.store)
    summary = summarize(costs, parsed.store, parsed.gpus or hardware.site.gpus)
    if parsed.json:
        print(to_json(_content(summary, costs.basis)))
    else:
        for line in _page(plan.study, summary, hardware, costs.basis):
            print(line)
    for misfit in summary.misfits:
        print(f"does not fit: {misfit.job}: {misfit.reason}; {misfit.remedy}", file=sys.stderr)
    return 1 if summary.misfits else 0


def _content(summary: "Summary", basis: "Basis") -> dict[str, Any]:
    return vars(summary) | {
        "runs": [
            {"stage": stage, "size": size, "what": what} | vars(total)
            for (stage, size, what), total in summary.runs.items()
        ],
        "basis": {name: sorted(labels) for name, labels in vars(basis).items()},
    }


def _page(study: str, summary: "Summary", hardware: "Hardware", basis: "Basis") -> Iterator[str]:
    gpus = f"{summary.gpus} x {summary.gpu}"
    yield paragraph(f"What the study {study} still takes, on {gpus}; hours are estimates.")
    yield ""
    yield text_table(list(_stages(summary)))
    if summary.runs:
        yield "\nJobs with GPUs"
        yield text_table(list(_runs(summary, list(hardware.config["model_sizes"]))))
    yield from bullets("How to read this", _reading(summary, hardware, basis))


def _stages(summary: "Summary") -> Iterator[dict[str, object]]:
    for stage, total in [*summary.stages.items(), ("in all", summary.total)]:
        yield {
            "stage": stage,
            "jobs": total.jobs,
            "complete": total.complete,
            "to do": total.to_do,
            **_figures(total),
            "disk": format_bytes(total.disk_bytes) if total.disk_bytes else "-",
            "wall hours": _hours(total.wall_hours),
        }


def _runs(summary: "Summary", sizes: Sequence[str]) -> Iterator[dict[str, object]]:
    stages = list(summary.stages)

    def place(run: tuple[str, str, str]) -> tuple[int, int]:
        return stages.index(run[0]), sizes.index(run[1]) if run[1] else 0

    for run in sorted(summary.runs, key=place):
        (stage, size, what), total = run, summary.runs[run]
        yield {
            "stage": stage,
            "size": size or "-",
            "method, suite": what or "-",
            "to do": total.to_do,
            "GPUs": total.devices,
            **_figures(total),
            "longest, hours": _hours(total.longest_hours),
        }


def _figures(total: "Total") -> Mapping[str, object]:
    return {
        "FLOPs": float(f"{total.flops:.3g}") or None,
        "GPU-hours": _hours(total.gpu_hours),
        "GiB a GPU": round(total.device_memory_bytes / GIB, 1) or None,
    }


def _hours(hours: float) -> int | float | None:
    """Whole hours, or two digits of a few; nothing where nothing is estimated."""
    return (round(hours) if hours >= 10 else float(f"{hours:.2g}")) or None


def _reading(summary: "Summary", hardware: "Hardware", basis: "Basis") -> Iterator[str]:
    shares = hardware.utilisation
    yield (
        f"hours: FLOPs at {shares.training:.0%} of the GPU's peak in training and"
        f" {shares.inference:.0%} in forward passes; decoding reads weights at"
        f" {shares.bandwidth:.0%} of its bandwidth (config/gpus.yaml). Stages without GPUs are not"
        " timed; queues and failures are not counted."
    )
    if hardware.config["hardware"]["accelerator"] == "cpu":
        yield (
            "the study runs on CPUs (`hardware.accelerator: cpu`); this is what GPUs would take."
        )
    yield "wall hours: the longest chain of jobs, or GPU-hours over GPUs, whichever is longer."
    yield from _lengths(basis)
    if basis.sizes:
        yield (
            f"of {_some(basis.sizes)} the config gives no dimensions: usual ones of the nominal"
            " number of parameters are assumed, so figures are rough. Give them in `model_sizes`."
        )
    yield (
        "training runs to its last step; where `patience` ends it earlier, it takes less."
        " A base model goes on from the next smaller one of its schedule."
    )
    yield (
        "disk: of what is to do, while nothing is dropped; of that"
        f" {format_bytes(summary.light_bytes)} stay once the study is complete and `finescale gc"
        " --strip` has dropped weights, tokens and records. Beside it an unfinished run keeps up"
        f" to {format_bytes(summary.unfinished_bytes)} in results/resume."
    )
    if summary.unknown_files:
        yield (
            f"not in it: {summary.unknown_files} raw files whose size config/sources.yaml does not"
            " know, and the records made from them."
        )


def _lengths(basis: "Basis") -> Iterator[str]:
    if basis.bounded:
        yield (
            "an upper bound: rows as long as max_source_tokens and max_target_tokens allow, outputs"
            f" as max_new_tokens, in {_some(basis.bounded)}. Once these are encoded in the store"
            " (snakemake --until tokens), their mean lengths are used."
        )
    if basis.measured:
        yield (
            f"rows have the mean lengths measured in {_some(basis.measured)}, outputs those of the"
            " references."
        )
    if basis.assumed:
        from finescale.costs.examples import ASSUMED

        yield f"{ASSUMED} examples each are assumed in {_some(basis.assumed)}."


def _some(labels: set[str]) -> str:
    first, *others = sorted(labels)
    return first + (f" and {len(others)} more" if others else "")
