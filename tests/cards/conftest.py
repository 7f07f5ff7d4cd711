"""A task whose artifacts are in a store, and the card that its program makes of them."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finescale.store import Recipe, Store, make_artifact
from finescale.tokens.arrays import example_paths

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "card.py"
Pairs = list[tuple[str, str]]


def records(pairs: Pairs) -> str:
    fields = ("id", "source", "target", "source_language", "target_language")
    rows = [
        dict(zip(fields, (str(n), *pair, "en", "de"), strict=True)) for n, pair in enumerate(pairs)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def write_tokens(out: Path, splits: Mapping[str, Pairs]) -> None:
    """Token arrays in which a word is a token; at most 3 of a source and 4 of a target are kept."""
    stats = {}
    for split, pairs in splits.items():
        paths = example_paths(out, split)
        for side, (end, most) in enumerate((("source", 3), ("target", 4))):
            lengths = [min(len(pair[side].split()), most) for pair in pairs]
            np.save(paths[f"{end}s"], np.zeros(sum(lengths), dtype=np.uint16))
            np.save(paths[f"{end}_offsets"], np.cumsum([0, *lengths]))
        np.save(paths["languages"], np.zeros(len(pairs), dtype=np.uint16))
        cut = [
            sum(len(pair[side].split()) > most for pair in pairs) for side, most in ((0, 3), (1, 4))
        ]
        stats[split] = {"cut_sources": cut[0], "cut_targets": cut[1]}
    (out / "stats.json").write_text(json.dumps(stats))


@pytest.fixture
def make_card(tmp_path) -> Callable[..., tuple[dict[str, Any], str]]:
    """`make_card(train, dev, test={...}, zero_shot={...}, stats=...)`: card.json and card.md."""
    store = Store(tmp_path / "store")
    made = iter(range(1000))

    def add(stage: str, write: Callable[[Path], object], **parameters: Any) -> str:
        recipe = Recipe(stage, 1, {"number": next(made), **parameters}, {})
        make_artifact(store, recipe, lambda job: write(job.out))
        return recipe.reference

    def corpus(splits: Mapping[str, Pairs], stats: Any = None) -> str:
        def write(out: Path) -> None:
            for split, pairs in splits.items():
                (out / f"{split}.jsonl").write_text(records(pairs))
            if stats:
                (out / "stats.json").write_text(json.dumps(stats))

        return add("corpus", write)

    def tokens(splits: Mapping[str, Pairs]) -> str:
        form = {"template": "{source}", "max_source_tokens": 3, "max_target_tokens": 4}
        return add("tokens", lambda out: write_tokens(out, splits), **form)

    def make(train: Pairs, dev: Pairs, stats: Any = None, **kinds: Mapping[str, Pairs]) -> Any:
        training = {"train": train, "dev": dev}
        inputs = {"train": [corpus(training, stats)], "train_tokens": [tokens(training)]}
        about = [{"name": name, "kind": name, "raw": [RAW]} for name in training]
        for kind, sets in kinds.items():
            inputs[kind] = [corpus({"test": pairs}) for pairs in sets.values()]
            if kind != "zero_shot":
                inputs[f"{kind}_tokens"] = [tokens(sets)]
            about += [{"name": name, "kind": kind, "raw": [RAW]} for name in sets]
        parameters = {"task": "help", "title": "Help <1>", "sets": about}
        recipe = Recipe("card", 1, parameters, {role: tuple(all_) for role, all_ in inputs.items()})
        return run(recipe, store)

    return make


RAW = {
    **{"name": "corpus:file.jsonl", "size": 1234, "records": None},
    **{"licence": "MPL-2.0", "purpose": "to learn | from", "pinned": False},
}


def run(recipe: Recipe, store: Store) -> tuple[dict[str, Any], str]:
    """Run the program in a process of its own, which imports no torch."""
    file = store.root.parent / "recipe.json"
    file.write_text(json.dumps({"label": "help", "recipe": recipe.to_dict()}))
    arguments = ["card.py", str(file), "--store", str(store.root)]
    code = (
        f"import runpy, sys; sys.argv = {arguments!r}\n"
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    artifact = store.open(recipe.reference)
    return artifact.json("card.json"), artifact.file("card.md").read_text()
