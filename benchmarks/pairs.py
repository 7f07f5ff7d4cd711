"""25 million pairs: memory and time of the corpus stage at a tenth of it, and of subsets.

    python benchmarks/pairs.py [--pairs 2500000] [--folder FOLDER]

Synthetic pairs of 240 bytes in three line-aligned archives (6 GB raw at 25 million), 2% of them
twice, go through the program of the corpus stage with all its cheap filters, at the given size and
at half of it. To be reached: at most 2 GB whatever the size; twice the pairs take twice the CPU; a
subset of any size of 25 million examples, or of MLSum's four languages, in at most 1 s. The folder
needs room for four times the raw text. Writes benchmarks/results/pairs.json.
"""

import argparse
import json
import shutil
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import ROOT, Usage, measure

from finescale.corpora import subset
from finescale.store import Recipe, Store, make_artifact

FILES = 3
SUBSETS = {
    "one language": ([25_000_000], [8_000, 1_000_000, 25_000_000]),
    "one language, a tenth": ([2_500_000], [800, 100_000, 2_500_000]),
    "mlsum": ([287_113, 220_887, 266_367, 392_902], [8_000, 200_000, 1_167_269]),
}
SETTINGS = {
    "languages": ["en", "de"],
    "cleaning": {"max_characters": 1000, "max_length_ratio": 3.0, "duplicates": True},
    "readings": [{"format": "lines", "source": "c.{source}", "target": "c.{target}"}] * FILES,
}
TURNS = 3


def main() -> None:
    """Print and write what both stages took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2_500_000)
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary one)")
    arguments = parser.parse_args()
    results = {"python": sys.version.split()[0], "corpus": {}}
    for pairs in (arguments.pairs // 2, arguments.pairs):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            usage, megabytes, stats = corpus(Path(folder), pairs)
        print(f"corpus of {pairs} pairs, {megabytes:.0f} MB raw:", usage, stats)
        results["corpus"][str(pairs)] = {
            "raw_megabytes": round(megabytes, 1),
            "cpu_seconds": round(usage.cpu_seconds, 2),
            "peak_memory_mb": round(usage.peak_memory_mb),
            "stats": stats,
        }
    results["subset CPU seconds"] = subsets()  # last: a program's peak counts its parent's size
    (half, whole) = results["corpus"].values()
    print(f"twice the pairs: {whole['cpu_seconds'] / half['cpu_seconds']:.2f} times the CPU")
    path = ROOT / "benchmarks/results/pairs.json"
    path.write_text(json.dumps(results, indent=1) + "\n")


def subsets() -> dict[str, dict[str, float]]:
    """CPU seconds of subsets, the best of some turns."""
    results: dict[str, dict[str, float]] = {}
    for name, (counts, sizes) in SUBSETS.items():
        languages = np.repeat(np.arange(len(counts), dtype=np.uint16), counts)
        results[name] = {}
        for size in sizes:
            turns = []
            for seed in range(TURNS):
                started = time.process_time()
                subset(languages, size, seed, name)
                turns.append(time.process_time() - started)
            results[name][str(size)] = round(min(turns), 3)
            print(f"subset of {size} of {len(languages)}, {name}: {min(turns):.2f} s CPU")
    return results


def corpus(folder: Path, pairs: int) -> tuple[Usage, float, dict[str, int]]:
    """What the corpus program took for so many pairs, MB of their text, and its counts."""
    store, megabytes = Store(folder / "results/store"), 0.0
    sources = []
    for number in range(FILES):
        archive = folder / f"{number}.tar"
        megabytes += write_archive(archive, pairs // FILES, number)
        recipe = Recipe("source", 1, {"name": str(number)}, {})
        make_artifact(store, recipe, lambda job, path=archive: shutil.move(path, job.out / "data"))
        sources.append(recipe.reference)
    recipe = Recipe("corpus", 1, {"splits": {"train": SETTINGS}}, {"train": tuple(sources)})
    file = folder / "recipe.json"
    file.write_text(json.dumps({"recipe": recipe.to_dict(), "label": "pairs"}))
    program = [sys.executable, str(ROOT / "workflow/scripts/corpus.py"), str(file)]
    usage = measure([*program, "--store", str(store.root)], folder)
    return usage, megabytes, store.open(recipe.reference).json("stats.json")["train"]


def write_archive(path: Path, pairs: int, seed: int) -> float:
    """Two line-aligned members; returns MB of text."""
    random = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyzäöü     "))
    sentences = ["".join(random.choice(letters, 108)).strip() + "." for _ in range(4000)]
    numbers = np.arange(pairs) + seed * pairs
    numbers[::50] = 0  # the same again
    chosen = (numbers * 7919) % len(sentences)
    size = 0
    with tarfile.open(path, "w") as archive:
        for side, name in enumerate(("c.en", "c.de")):
            member = path.with_suffix(".txt")
            with member.open("w", encoding="utf-8") as out:
                rows = zip(chosen.tolist(), numbers.tolist(), strict=True)
                out.writelines(f"{sentences[at - side]} {number}\n" for at, number in rows)
            size += member.stat().st_size
            archive.add(member, name)
            member.unlink()
    return size / 1e6


if __name__ == "__main__":
    main()
