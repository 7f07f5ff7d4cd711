"""Write the page that shows a whole study."""

from finescale.figures import TaskScores
from finescale.laws import TaskFit, read_points
from finescale.report import Drawing, Study, SuiteScores, eight_claims, render
from finescale.store import Artifact, Job, run_job


def make(job: Job) -> None:
    """Write report.html."""
    parameters = job.parameters
    fits = [
        TaskFit.load(artifact.file("fit.json"), artifact.file("resamples.npz"))
        for artifact in job.inputs("fits")
    ]
    points = read_points(job.input("points").file("points.csv"))
    scores = [
        SuiteScores(about["suite"], TaskScores.read(artifact.file("scores.csv"), about, points))
        for artifact, about in zip(job.inputs("scores"), parameters["scores"], strict=True)
    ]
    study = Study(
        name=parameters["study"],
        config=parameters["config"],
        fits=fits,
        points=points,
        claims=eight_claims(fits, points, scores),
        drawings=[
            drawing(kind, name, artifact)
            for kind in ("figure", "table")
            for name, artifact in zip(parameters[f"{kind}s"], job.inputs(f"{kind}s"), strict=True)
        ],
        unsupported=parameters["unsupported"],
        cards=[artifact.json("card.json") for artifact in job.inputs("cards")],
        stamp=parameters.get("stamp", ""),
    )
    (job.out / "report.html").write_text(render(study), encoding="utf-8")
    for claim in study.claims:
        print(f"{claim.verdict}: {claim.title}")


def drawing(kind: str, name: str, artifact: Artifact) -> Drawing:
    """A figure with its picture, a table with its rows."""
    return Drawing(
        kind=kind,
        name=name,
        digest=artifact.recipe.digest,
        csv=artifact.file(f"{kind}.csv").read_text(encoding="utf-8"),
        svg=artifact.file("figure.svg").read_text(encoding="utf-8") if kind == "figure" else None,
    )


if __name__ == "__main__":
    run_job(make)
