"""Where a preview is made: the stage programs, working into a store of the preview's own."""

import contextlib
import os
import runpy
import shutil
import sys
import traceback
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from finescale.errors import UserError
from finescale.store import MANIFEST, Job, Recipe, Store, make_artifact
from finescale.store.recipes import relative_folder
from finescale.study.plan import Plan, View
from finescale.study.preview import RESULTS, Preview, plan_preview


class OverlayStore(Store):
    """A store of its own in which some artifacts of another store are there too, to be read."""

    def __init__(self, root: Path, lower: Store, borrowed: Collection[str]) -> None:
        super().__init__(root)
        self.lower, self.borrowed = lower, borrowed

    def folder(self, reference: str) -> Path:
        """Where the artifact lies, or is to be made: never in the store below."""
        lies_below = reference in self.borrowed
        return self.lower.folder(reference) if lies_below else super().folder(reference)


class Workshop:
    """Makes previews of the studies in `store` below the folder `work`, by these programs."""

    def __init__(self, store: Store, work: Path, programs: Path) -> None:
        self.store, self.work, self.programs = store, work, programs
        self.own = Store(work / "store")

    def make(
        self,
        plan: Plan,
        config: Mapping[str, Any],
        complete: Collection[str],
        left_out: Mapping[str, str],
    ) -> tuple[Preview, dict[str, str]]:
        """Make all that can be made from the complete runs; also what failed, with the reason.

        What fails is left out like what is `left_out`, with its reason, from the beginning.
        """
        borrowed = {*complete, *self._whole_results(plan)}
        overlay = OverlayStore(self.own.root, self.store, borrowed)
        failed: dict[str, str] = {}
        while True:
            preview = plan_preview(plan, config, borrowed, {**left_out, **failed})
            failure = self._first_failure(preview.plan, overlay)
            if failure is None:
                return preview, failed
            made, reason = failure
            failed[preview.origins[made]] = reason

    def _whole_results(self, plan: Plan) -> Iterable[str]:
        """The results and data cards of the study that are in its store, and sound."""
        for reference, recipe in plan.recipes.items():
            if recipe.stage in (*RESULTS, "card"):
                with contextlib.suppress(UserError):
                    if not any(self.store.open(reference).problems()):
                        yield reference

    def _first_failure(self, plan: Plan, overlay: OverlayStore) -> tuple[str, str] | None:
        """Make what is not there yet, until something fails; scores, which take longest, last."""
        for reference in sorted(plan.recipes, key=lambda item: _scored(plan.recipes[item])):
            if reference in overlay.borrowed:
                continue
            recipe, label = plan.recipes[reference], plan.labels[reference]
            if not (overlay.folder(reference) / MANIFEST).exists():
                print(f"{recipe.stage}: {label}", file=sys.stderr)
            log = self.work / "logs" / f"{recipe.stage}-{label.replace(' ', '-')}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("w") as file:
                try:
                    with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                        make_artifact(overlay, recipe, self._make, label)
                except UserError as error:
                    return reference, str(error)
                except Exception as error:
                    traceback.print_exc(file=file)
                    return reference, f"{type(error).__name__}: {error} ({log})"
        return None

    def _make(self, job: Job) -> None:
        """What the stage's program does; loaded only where there is something to make."""
        _program(self.programs / f"{job.recipe.stage}.py")["make"](job)

    def show(self, views: Iterable[View], folder: Path) -> None:
        """Link what was made into the preview's folder; links of older previews go."""
        shown = {folder / view.path: self._file(view) for view in views}
        for place in (folder, folder / "figures", folder / "tables"):
            for path in place.glob("*"):
                if path.is_symlink() and path not in shown:
                    path.unlink()
        for path, file in shown.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            new = self.work / "link"
            new.unlink(missing_ok=True)
            new.symlink_to(os.path.relpath(file, path.parent))
            os.replace(new, path)

    def _file(self, view: View) -> Path:
        own = self.own.folder(view.reference)
        return (own if own.exists() else self.store.folder(view.reference)) / view.file

    def tidy(self, plan: Plan) -> None:
        """Remove what older previews made and this one does not have."""
        folders = {self.own.root / relative_folder(item) for item in plan.recipes}
        for folder in self.own.root.glob("*/*"):
            if folder not in folders:
                shutil.rmtree(folder)


@cache
def _program(path: Path) -> dict[str, Any]:
    return runpy.run_path(str(path))


def _scored(recipe: Recipe) -> bool:
    return not {"outputs", "scores"}.isdisjoint(recipe.inputs)
