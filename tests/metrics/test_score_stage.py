"""The score stage as the pipeline runs it: stored outputs in, tables out, and no torch."""

import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from finescale.store import Recipe, Store, make_artifact

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "score.py"
METRICS = ["bleu", "chrf", "rougeL_ascii", "rougeL_unicode"]
OUTPUTS = [
    {"id": "a", "reference": "单击按钮打开文件。", "output": "单击打开文件。", "ended": True},
    {"id": "b", "reference": "设置", "output": "", "ended": True},
    {"id": "c", "reference": "LibreOffice 窗口", "output": "Le fichier est ouvert", "ended": False},
]
LANGUAGES = {"source_language": "fr", "target_language": "zh", "cut_source": False, "source": "s"}


class Study:
    """Generations in a store, and the program that scores them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "store")

    def add(self, stage: str, name: str, files: dict[str, bytes]) -> str:
        """An artifact with these files."""

        def write(job) -> None:
            for file, content in files.items():
                (job.out / file).write_bytes(content)

        recipe = Recipe(stage, 1, {"name": name}, {})
        make_artifact(self.store, recipe, write, label=name)
        return recipe.reference

    def generation(self, name: str, records=OUTPUTS, status: str = "ok") -> str:
        files = {"summary.json": json.dumps({"status": status}).encode()}
        if status == "ok":
            lines = (json.dumps(LANGUAGES | record) + "\n" for record in records)
            files["outputs.jsonl"] = "".join(lines).encode()
        return self.add("generate", name, files)

    def score(self, outputs: list[str], sources: list[str] = (), **parameters):
        """Run the program; its last line says whether it imported torch."""
        defaults = {"metrics": METRICS, "target_language": "zh", "bootstrap": 20}
        rows = [labels(seed) for seed in range(len(outputs))]
        inputs = {"outputs": tuple(outputs)} | ({"learned": tuple(sources)} if sources else {})
        self.recipe = Recipe("score", 1, {**defaults, "rows": rows, **parameters}, inputs)
        file = self.folder / "recipe.json"
        file.write_text(json.dumps({"label": "", "recipe": self.recipe.to_dict()}))
        code = (
            f"import runpy, sys; sys.argv = ['score.py', {str(file)!r}, '--store', "
            f"{str(self.store.root)!r}]\n"
            f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
            "print('torch' in sys.modules)"
        )
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    @property
    def artifact(self):
        return self.store.open(self.recipe.reference)

    def table(self) -> list[dict[str, str]]:
        with self.artifact.file("scores.csv").open(encoding="utf-8") as lines:
            return list(csv.DictReader(lines))

    def segments(self) -> list[dict]:
        with gzip.open(self.artifact.file("segments.jsonl.gz"), "rt", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]


def labels(seed: int) -> dict:
    sizes = {"nominal_size": 10, "pretraining_tokens": 100, "finetuning_examples": 32}
    return {"method": "fmt", **sizes, "pet_parameter_size": None, "seed": seed, "baseline": False}


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_scores_of_good_diverged_and_empty_generations(study):
    references = [
        study.generation("good"),
        study.generation("diverged", status="diverged"),
        study.generation("base", status="base diverged"),
        study.generation("nothing", records=[]),
    ]
    done = study.score(references, metrics=[*METRICS, "wrong_language"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"  # no torch
    good, *others = study.table()
    assert [row["status"] for row in (good, *others)] == ["ok", "diverged", "base diverged", "ok"]
    assert good["examples"] == "3"
    assert (good["method"], good["seed"], good["baseline"]) == ("fmt", "0", "False")
    assert float(good["bleu_low"]) <= float(good["bleu"]) <= float(good["bleu_high"])
    assert float(good["chrf"]) > 0
    shares = (good[f"{name}_share"] for name in ("empty", "unended", "cut_source"))
    assert list(map(float, shares)) == pytest.approx([1 / 3, 1 / 3, 0])
    assert float(good["wrong_language"]) == pytest.approx(1 / 3)
    for row in others:
        assert (row["chrf"], row["chrf_low"], row["empty_share"]) == ("", "", "")
        assert row["examples"] == "0"
    assert [row["digest"] for row in (good, *others)] == [one.split("/")[1] for one in references]


def test_segments_and_signatures(study):
    assert study.score([study.generation("one"), study.generation("two")]).returncode == 0
    lines = study.segments()
    assert [line["id"] for line in lines] == ["a", "b", "c"] * 2
    assert [list(line) for line in lines] == [["digest", "id", "source_language", *METRICS]] * 6
    assert [lines[1][name] for name in METRICS] == [0, 0, 0, 0]  # the empty output
    assert lines[0]["rougeL_ascii"] == 0
    assert lines[0]["rougeL_unicode"] == pytest.approx(2 * 6 / (6 + 8), abs=1e-6)
    assert [line["digest"] for line in lines[:3]] == [study.table()[0]["digest"]] * 3
    assert "tok:zh" in study.artifact.json("signatures.json")["bleu"]


def test_scoring_again_gives_the_same_bytes(study):
    references = [study.generation("one"), study.generation("two", OUTPUTS[:2])]
    study.score(references)
    first = study.artifact
    study.store = Store(study.folder / "again" / "store")
    study.generation("one"), study.generation("two", OUTPUTS[:2])
    study.score(references)
    assert study.artifact.content_sha256 == first.content_sha256


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"metrics": ["blue"]}, "unknown metric `blue`; did you mean `bleu`?"),
        ({"target_language": "xx"}, "no name for language 'xx'"),
        ({"metrics": ["bleurt"]}, "metric `bleurt` needs the files of BLEURT-20"),
    ],
)
def test_mistakes_are_named_before_anything_is_read(study, parameters, said):
    done = study.score([f"generate/{'0' * 64}"], **parameters)  # of a generation that is not there
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {said}")
    assert "Traceback" not in done.stderr


def test_the_learned_metric_is_read_from_the_store(study, bleurt_folder):
    names = ["config.json", "spm.model", "pytorch_model.bin"]
    files = [
        study.add("source", name, {"data": (bleurt_folder / name).read_bytes()}) for name in names
    ]
    done = study.score([study.generation("one")], files, metrics=["bleurt"], learned=names)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "True"
    (row,) = study.table()
    values = [line["bleurt"] for line in study.segments()]
    assert float(row["bleurt"]) == pytest.approx(sum(values) / 3, abs=1e-6)


def test_a_folder_that_is_not_bleurt_is_one_message(study):
    files = [study.add("source", "config.json", {"data": b"{}"})]
    reference = study.generation("one")
    done = study.score([reference], files, metrics=["bleurt"], learned=["config.json"])
    assert done.returncode == 1
    assert "it has no spm.model, no model.safetensors or pytorch_model.bin" in done.stderr
    assert "Traceback" not in done.stderr
