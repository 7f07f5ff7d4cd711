"""`finescale preview`: fits and figures from what is complete so far, outside the store."""

import argparse
import os
from pathlib import Path
from typing import Any

from finescale.cli.progress import NO_SCORES, nothing_yet, page
from finescale.cli.store import open_store
from finescale.errors import UserError

PROGRAMS = Path("workflow/scripts")
WORK = ".work"  # in the preview's folder: what a second preview takes from the first


def add_commands(commands: Any) -> None:
    """Add the command to the sub-parsers."""
    previewing = commands.add_parser(
        "preview", description="fits and figures of a study from what is complete so far"
    )
    previewing.add_argument("config", type=Path, help="the study's config, config/demo.yaml")
    previewing.add_argument(
        "--no-scores",
        action="store_true",
        help="leave out what is drawn from generations; scoring them takes longest",
    )
    previewing.set_defaults(run=_preview)


def _preview(parsed: argparse.Namespace) -> int:
    # One thread, as the pipeline's jobs have; read when numpy is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from finescale.store.resume import hold
    from finescale.study.config import load_config
    from finescale.study.files import SCHEMA, plan_file
    from finescale.study.preview import RUNS
    from finescale.study.progress import read_progress
    from finescale.study.workshop import Workshop

    store = open_store(parsed)
    plan, config = plan_file(parsed.config), load_config(parsed.config, SCHEMA)
    stages = [stage for stage in RUNS if not (parsed.no_scores and stage == "generate")]
    progress = read_progress(plan, store, stages)
    folder = store.root.parent / plan.study / "preview"
    workshop = Workshop(store, folder / WORK, PROGRAMS)
    if not progress.complete:
        workshop.show([], folder)  # an older preview would be of runs that are no more
        raise UserError(nothing_yet(plan, progress, store.root))
    left_out = {item: NO_SCORES for item in plan.recipes if item.startswith("score/")}
    with hold(folder / WORK / "lock"):
        preview, failed = workshop.make(
            plan, config, progress.complete, left_out if parsed.no_scores else {}
        )
        workshop.show(preview.plan.views, folder)
        workshop.tidy(preview.plan)
    for line in page(plan, progress, preview, failed, folder):
        print(line)
    return 0
