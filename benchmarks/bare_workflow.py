"""A bare workflow of the same size as a study: the same rules, edges and files, and nothing else.

What Snakemake takes for it is what Snakemake takes for such a DAG: inputs are looked up in a table,
no job has a label, a message or a log, and nobody asks what is complete already.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from measure import ROOT

from finescale.store import MANIFEST
from finescale.store.recipes import folder_name
from finescale.study.outstanding import Outstanding
from finescale.study.plan import Plan

HEAD = """\
import json

with open("inputs.json") as stream:
    INPUTS = json.load(stream)


rule all:
    input:
        INPUTS["all"],
"""
RULE = """

rule {name}:
    input:
        lambda wildcards: INPUTS[{key}],
    output:
        {output},
    shell:
        "python {name}.py {{output}}"
"""


def write_bare_workflow(plan: Plan, folder: Path) -> None:
    """Write a Snakefile, the table of its inputs, and the profile of the study's workflow."""
    folder.mkdir()
    (folder / "inputs.json").write_text(json.dumps(_inputs(plan)))
    (folder / "Snakefile").write_text("".join([HEAD, *dict.fromkeys(_rules(plan))]))
    shutil.copytree(ROOT / "profiles/default", folder / "profiles/default")


def _inputs(plan: Plan) -> dict[str, list[str]]:
    """The inputs of every job by the wildcard in its output, or by its output."""
    outstanding = Outstanding(plan, lambda _: False)
    inputs = {"all": sorted(view.path for view in plan.views)}
    for reference in plan.recipes:
        digits = PurePosixPath(folder_name(reference)).name
        inputs[digits] = [_manifest(item) for item in outstanding.before(reference)]
    for view in plan.views:
        path = PurePosixPath(view.path)
        inputs[path.stem] = [_manifest(view.reference)]
    return inputs


def _rules(plan: Plan) -> Iterator[str]:
    for reference in plan.recipes:
        stage = reference.split("/")[0]
        output = f'"results/store/{stage}/{{digest}}/{MANIFEST}"'
        yield RULE.format(name=stage, key="wildcards.digest", output=output)
    for view in plan.views:
        path = PurePosixPath(view.path)
        if path.parent.name == plan.study:
            yield RULE.format(name=f"{path.stem}_view", key=f'"{path.stem}"', output=f'"{path}"')
        else:
            together = (PurePosixPath(other.path) for other in plan.views)
            endings = {f'"{other.suffix}"' for other in together if other.parent == path.parent}
            output = f'multiext("{path.parent}/{{name}}", {", ".join(sorted(endings))})'
            yield RULE.format(name=f"{path.parent.name}_view", key="wildcards.name", output=output)


def _manifest(reference: str) -> str:
    return f"results/store/{folder_name(reference)}/{MANIFEST}"
