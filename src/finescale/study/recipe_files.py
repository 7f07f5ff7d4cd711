"""Recipe files, from which jobs read what to make, and the study's readable index."""

import csv
import io
import json
import os
import tempfile
from pathlib import Path

from finescale.store.recipes import PATH_DIGITS
from finescale.study.plan import Plan


def write_recipe_files(plan: Plan, folder: Path) -> None:
    """Write `folder/<digest>.json` for every recipe that has no file yet.

    A file holds the recipe and, outside of what is hashed, its readable label.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = {path.stem for path in folder.glob("*.json")}
    for reference, recipe in plan.recipes.items():
        name = recipe.digest[:PATH_DIGITS]
        if name not in there:
            content = {"label": plan.labels[reference], "recipe": recipe.to_dict()}
            _write_whole(folder / f"{name}.json", json.dumps(content, ensure_ascii=False) + "\n")


def write_index(plan: Plan, path: Path) -> None:
    """Write the table that leads from readable labels to digests and back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["digest", "stage", "label"])
    writer.writerows(plan.index_rows())
    _write_whole(path, text.getvalue())


def _write_whole(path: Path, text: str) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)
