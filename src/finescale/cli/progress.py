"""What `finescale preview` prints: how far a study is, what was drawn, what was not and why."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from finescale.cli.tables import bullets, text_table

if TYPE_CHECKING:
    from finescale.study.plan import Plan
    from finescale.study.preview import Preview
    from finescale.study.progress import Progress

NO_SCORES = "left out (--no-scores)"


def nothing_yet(plan: "Plan", progress: "Progress", store: Path) -> str:
    """The message where a preview would be empty."""
    lines = [
        f"study {plan.study}: nothing is complete yet in {store}; there is nothing to draw.",
        text_table(list(_rows(plan, progress))),
        *bullets("Unreadable", map(_line, progress.problems.values())),
    ]
    return "\n".join(lines)


def page(
    plan: "Plan",
    progress: "Progress",
    preview: "Preview",
    failed: Mapping[str, str],
    folder: Path,
) -> Iterator[str]:
    """Counts, drawings with what each is made from, and what is missing with its reason."""
    yield f"Study {plan.study}, as far as it is"
    yield ""
    yield text_table(list(_rows(plan, progress)))
    yield from bullets("Unreadable, and left out", map(_line, progress.problems.values()))
    yield ""
    yield f"Drawn in {folder}/"
    yield text_table(list(_drawn(preview)))
    yield from bullets("Failed", _failed(plan, failed))
    yield from bullets("Not drawn", _not_drawn(preview.plan.unsupported))


def _rows(plan: "Plan", progress: "Progress") -> Iterator[dict[str, object]]:
    """A row for each group of runs: how many are planned, and in which state."""
    for what, runs in _groups(plan).items():
        known = [run for run in runs if run in progress.states]
        if known:
            yield {"what": what, "planned": len(known), **progress.counts(known)}


def _groups(plan: "Plan") -> dict[str, list[str]]:
    """Base models, the finetunings of each task and of the search, the generations of a suite."""
    from finescale.study.preview import ROLES

    titles = {"points": "finetunings of {}", "search": "{}", "score": "generations of {}"}
    groups = {"base models": list(plan.sizes)}
    for stage, title in titles.items():
        for reference, recipe in plan.recipes.items():
            if recipe.stage == stage:
                runs = list(recipe.inputs[ROLES[stage]])
                groups[title.format(plan.labels[reference])] = runs
    return groups


def _drawn(preview: "Preview") -> Iterator[dict[str, object]]:
    """A row for each drawing: its file, what it is made from, what it leaves out."""
    files = [Path(view.path) for view in preview.plan.views]
    shown = [file for file in files if file.suffix in (".pdf", ".html")]
    for file in sorted(shown, key=lambda file: (file.parent, *_by_number(file.stem))):
        without = ", ".join(preview.without.get(file.stem, ()))
        yield {"file": file, "made from": preview.shares[file.stem], "without": without or "-"}


def _by_number(name: str) -> tuple[str, int]:
    """Figure 2 before Figure 10, and tables after figures."""
    kind = name.rstrip("0123456789")
    return kind, int(name.removeprefix(kind) or 0)


def _not_drawn(unsupported: Mapping[str, str]) -> Iterator[str]:
    """A line for each reason."""
    names: dict[str, list[str]] = {}
    for name in sorted(unsupported, key=_by_number):
        names.setdefault(unsupported[name], []).append(name)
    yield from (f"{', '.join(those)}: {_line(reason)}" for reason, those in names.items())


def _failed(plan: "Plan", failed: Mapping[str, str]) -> Iterator[str]:
    """What is behind the drawings; a drawing that failed is among those not drawn."""
    from finescale.study.preview import DRAWINGS

    for item, reason in failed.items():
        stage = plan.recipes[item].stage
        if stage not in DRAWINGS:
            yield f"{stage} {plan.labels[item]}: {_line(reason)}"


def _line(message: str) -> str:
    """A message of several lines in one."""
    return " ".join(message.split())
