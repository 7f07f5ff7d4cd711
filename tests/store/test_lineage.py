"""What is made from what: the way back to the raw data, and what falls with an artifact."""

import os
import subprocess
import sys

import pytest

from finescale.errors import UserError
from finescale.store.lineage import artifact_of_path, dependents, remove, trace, verify


@pytest.fixture
def chain(workshop):
    """Two raw files; a corpus of both; tokens of the corpus; a figure of tokens and a raw file."""
    raw = workshop.recipe(stage="source", data="raw\n")
    other = workshop.recipe(stage="source", data="other\n")
    corpus = workshop.recipe(raw, other, stage="corpus", data="corpus\n")
    tokens = workshop.recipe(corpus, stage="tokens", data="tokens\n")
    figure = workshop.recipe(tokens, other, stage="figure", data="figure\n")
    unrelated = workshop.recipe(stage="tokens", data="unrelated\n")
    recipes = [raw, other, corpus, tokens, figure, unrelated]
    names = ["raw", "other", "corpus", "tokens", "figure", "unrelated"]
    return dict(zip(names, map(workshop.make, recipes), strict=True))


def references(artifacts):
    return {artifact.recipe.reference for artifact in artifacts}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("raw", ["corpus", "tokens", "figure"]),
        ("other", ["corpus", "tokens", "figure"]),
        ("tokens", ["figure"]),
        ("figure", []),
        ("unrelated", []),
    ],
)
def test_dependents_are_everything_built_from_an_artifact(workshop, chain, name, expected):
    found = dependents(workshop.store, chain[name])
    assert references(found) == references(chain[item] for item in expected)
    assert len(found) == len(expected)


def test_trace_leads_from_a_view_to_the_raw_files(workshop, chain):
    view = workshop.folder / "results" / "study" / "figures" / "figure1.pdf"
    view.parent.mkdir(parents=True)
    view.symlink_to(os.path.relpath(chain["figure"].folder / "data", view.parent))
    artifact = artifact_of_path(workshop.store, view)
    lines = list(trace(workshop.store, artifact))
    order = ["figure", "tokens", "corpus", "raw", "other"]
    expected = {
        f"{'  ' * depth}{chain[name].recipe.reference[:33]}"
        for name, depth in zip(order, (0, 1, 2, 3, 3), strict=True)
    }
    digest_ends = [line.find("  label of") for line in lines]
    assert {line[:end] for line, end in zip(lines, digest_ends, strict=True)} == expected
    assert [len(line) - len(line.lstrip()) for line in lines] == [0, 2, 4, 6, 6]


def test_trace_says_which_artifact_of_the_way_is_missing(workshop, chain):
    remove(workshop.store, [chain["corpus"]])
    with pytest.raises(UserError, match=r"corpus/.* is missing"):
        list(trace(workshop.store, chain["figure"]))


def test_a_path_outside_of_every_artifact(workshop, tmp_path):
    (tmp_path / "stray").write_text("")
    with pytest.raises(UserError, match="not part of an artifact"):
        artifact_of_path(workshop.store, tmp_path / "stray")
    with pytest.raises(UserError, match="no such file"):
        artifact_of_path(workshop.store, tmp_path / "absent")


def test_removing_a_chain_leaves_the_rest_sound(workshop, chain):
    remove(workshop.store, [*dependents(workshop.store, chain["corpus"]), chain["corpus"]])
    left = {chain[name].recipe.reference for name in ("raw", "other", "unrelated")}
    assert references(workshop.store.artifacts()) == left
    assert list(verify(workshop.store)) == []
    assert workshop.scratch_folders() == []


def test_what_a_killed_removal_left_goes_with_the_next_run_of_the_job(workshop, chain):
    code = """if True:
        import os, shutil, sys
        from finescale.store import Store
        from finescale.store.lineage import remove
        shutil.rmtree = lambda *_, **__: os.kill(os.getpid(), 9)  # just after the rename
        store = Store(sys.argv[1])
        remove(store, [store.by_digest(sys.argv[2])])
    """
    tokens = chain["tokens"]
    for _ in range(2):
        arguments = [sys.executable, "-c", code, workshop.store.root, tokens.recipe.digest]
        assert subprocess.run(arguments).returncode == -9
        assert not tokens.folder.exists()
        (scratch,) = workshop.scratch_folders()
        assert any(str(scratch) in problem for problem in verify(workshop.store))
        workshop.make(tokens.recipe)
        assert list(verify(workshop.store)) == []


def test_a_digest_prefix_names_one_artifact(workshop, chain):
    digest = chain["tokens"].recipe.digest
    assert workshop.store.by_digest(digest[:12]).recipe.digest == digest
    with pytest.raises(UserError, match=r"6 artifacts in .* that starts with ''"):
        workshop.store.by_digest("")
    with pytest.raises(UserError, match=r"no artifact in .*\n.*index.csv"):
        workshop.store.by_digest("0" * 64)


def test_find_asks_the_recipes_of_one_stage(workshop, chain):
    found = workshop.store.find("tokens", lambda recipe: "data" in recipe.parameters["files"])
    assert references(found) == references([chain["tokens"], chain["unrelated"]])
    assert workshop.store.find("tokens", lambda recipe: False) == []
