"""Score the stored outputs of all models of one task and suite."""

import csv
import gzip
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finescale.metrics import LABELS, check_metrics
from finescale.store import Artifact, Job, run_job

if TYPE_CHECKING:
    from finescale.metrics.learned import Bleurt
    from finescale.metrics.scoring import Scorer


def make(job: Job) -> None:
    """Write scores.csv, segments.jsonl.gz and signatures.json."""
    metrics, language = job.parameters["metrics"], job.parameters["target_language"]
    names = job.parameters.get("learned", ())
    check_metrics(metrics, language, learned=bool(names))
    from finescale.metrics.scoring import Scorer

    learned = load_learned(names, job.inputs("learned")) if names else None
    scorer = Scorer(metrics, language, job.parameters["bootstrap"], learned)
    write_scores(job, scorer)
    signatures = json.dumps(scorer.signatures(), indent=1, ensure_ascii=False)
    (job.out / "signatures.json").write_text(signatures + "\n", encoding="utf-8")


def load_learned(names: Sequence[str], sources: Sequence[Artifact]) -> "Bleurt":
    """The learned metric; each of its files is a raw file of the store."""
    from finescale.metrics.learned import Bleurt

    with tempfile.TemporaryDirectory() as folder:
        for name, source in zip(names, sources, strict=True):
            Path(folder, name).symlink_to(source.file("data").resolve())
        return Bleurt(Path(folder))


def write_scores(job: Job, scorer: "Scorer") -> None:
    """A row for each generation, the ones of diverged models included, and all its segments."""
    columns = [*LABELS, "status", *scorer.columns, "digest"]
    with (
        (job.out / "scores.csv").open("w", newline="", encoding="utf-8") as table,
        (job.out / "segments.jsonl.gz").open("wb") as file,
        # no time and no name: the same segments are the same bytes
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as segments,
    ):
        writer = csv.DictWriter(table, columns, lineterminator="\n")
        writer.writeheader()
        for labels, artifact in zip(job.parameters["rows"], job.inputs("outputs"), strict=True):
            row, lines = score(artifact, scorer)
            writer.writerow({name: labels[name] for name in LABELS} | row)
            segments.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            print(f"{artifact.label or artifact.recipe.digest[:12]}: {shown(row, scorer)}")


def score(artifact: Artifact, scorer: "Scorer") -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """One row of the table, and the scores of its segments."""
    from finescale.metrics.scoring import Outputs

    digest, status = artifact.recipe.digest, artifact.json("summary.json")["status"]
    row = {"status": status, "examples": 0, "digest": digest}
    if status != "ok":
        return row, iter(())
    outputs = Outputs.read(artifact.file("outputs.jsonl"))
    if not outputs.records:
        return row, iter(())
    scored = scorer.segments(outputs)
    lines = (
        {"digest": digest, "id": record["id"], "source_language": record["source_language"]}
        | {name: round(float(metric.segments[index]), 6) for name, metric in scored.items()}
        for index, record in enumerate(outputs.records)
    )
    return row | scorer.row(outputs, scored), lines


def shown(row: dict[str, Any], scorer: "Scorer") -> str:
    """A row in words, for the log."""
    scores = [f"{name} {row[name]:.4g}" for name in scorer.metrics if name in row]
    return ", ".join([row["status"], *scores])


if __name__ == "__main__":
    run_job(make)
