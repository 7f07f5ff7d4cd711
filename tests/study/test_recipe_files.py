"""Recipe files and the index: from labels to digests, written once."""

import json

from finescale.store import Recipe
from finescale.study.recipe_files import write_index, write_recipe_files


def test_recipe_files_and_the_index_lead_from_labels_to_digests(plan, smoke, tmp_path):
    planned = plan(smoke)
    write_recipe_files(planned, tmp_path / "recipes")
    write_index(planned, tmp_path / "smoke" / "index.csv")
    for reference, recipe in planned.recipes.items():
        content = json.loads((tmp_path / "recipes" / f"{recipe.digest[:20]}.json").read_text())
        assert Recipe.from_dict(content["recipe"]).reference == reference
        assert content["label"] == planned.labels[reference]
    header, *rows = (tmp_path / "smoke" / "index.csv").read_text().splitlines()
    assert header == "digest,stage,label"
    assert len(rows) == len(planned.recipes)
    assert not list(tmp_path.rglob(".tmp-*"))


def test_recipe_files_that_are_there_are_not_written_again(plan, smoke, tmp_path):
    write_recipe_files(plan(smoke), tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    write_recipe_files(plan(smoke), tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times
