"""How fast raw files become records, in MB of the text they hold per CPU second of one process.

    python benchmarks/parsers.py [--megabytes 60]

To be reached: 100 MB/s for line-aligned text, 40 MB/s from parquet to records. Every layout holds
the same synthetic pairs. "parse" ends at columns of text in memory, "records" at a file of records;
"copy" reads and writes as many bytes in blocks, in the same run, as a measure of the machine. Each
figure is the best of three turns. Writes benchmarks/results/parsers.json.
"""

import argparse
import gzip
import json
import random
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import ROOT

from finescale.corpora import convert
from finescale.corpora.formats import Raw, read

TURNS = 3
LANGUAGES = ("en", "de")
PAIR = {"source": "{source}", "target": "{target}"}
LINES = {"format": "lines", "source": "a/c.{source}", "target": "a/c.{target}"}
LAYOUTS: dict[str, dict[str, Any]] = {
    "lines, tar": LINES,
    "lines, tar.gz": LINES,
    "lines, zip": LINES,
    "moses": {"format": "moses"},
    "tsv": {"format": "tsv", "columns": {"source": 0, "target": 1}},
    "tsv.gz": {"format": "tsv", "columns": {"source": 0, "target": 1}},
    "jsonl": {"format": "jsonl", "columns": PAIR},
    "parquet": {"format": "parquet", "columns": {k: f"translation.{v}" for k, v in PAIR.items()}},
}


def main() -> None:
    """Print and write a line for each layout."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=60, help="of text (default: 60)")
    megabytes = parser.parse_args().megabytes
    with tempfile.TemporaryDirectory() as folder:
        results = measured(Path(folder), megabytes)
    for name, row in results.items():
        print(f"{name:14}", "  ".join(f"{what} {rate:6.0f} MB/s" for what, rate in row.items()))
    path = ROOT / "benchmarks/results/parsers.json"
    path.write_text(
        json.dumps({"python": sys.version.split()[0], "rates": results}, indent=1) + "\n"
    )


def measured(folder: Path, megabytes: int) -> dict[str, dict[str, float]]:
    """MB/s of parsing alone, and of parsing and writing, for each layout."""
    pairs = synthetic(megabytes * 1_000_000)
    size = sum(len(text.encode()) + 1 for pair in pairs for text in pair) / 1e6
    files = written(folder, pairs)
    results: dict[str, dict[str, float]] = {}
    for name, paths in files.items():
        raw = Raw(LAYOUTS[name], tuple(paths), (name,) * 2, LANGUAGES, folder)
        settings = {"readings": [raw.reading], "languages": LANGUAGES}
        results[name] = {
            "parse": size / seconds(lambda raw=raw: sum(1 for _ in read(raw))),
            "records": size / seconds(lambda p=paths, s=settings: convert(p, s, "train", folder)),
        }
    blocks = b"".join(f"{a}\n{b}\n".encode() for a, b in pairs)
    (folder / "copy").write_bytes(blocks)
    results["copy"] = {"records": size / seconds(lambda: copy(folder / "copy"))}
    return results


def synthetic(size: int) -> list[tuple[str, str]]:
    """Pairs of lines of about 120 bytes, of random words, one in ten beyond ASCII."""
    choice = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyzäöüß"
    words = ["".join(choice.choices(letters, k=choice.randint(2, 11))) for _ in range(20_000)]
    lines = [" ".join(choice.choices(words, k=choice.randint(4, 30))) for _ in range(size // 230)]
    return list(zip(lines, reversed(lines), strict=True))


def written(folder: Path, pairs: list[tuple[str, str]]) -> dict[str, list[Path]]:
    """The pairs in each layout."""
    import pyarrow
    from pyarrow import parquet

    sides = [folder / "c.en", folder / "c.de"]
    for side, path in enumerate(sides):
        path.write_text("".join(pair[side] + "\n" for pair in pairs), encoding="utf-8")
    for mode, name in (("w", "lines.tar"), ("w:gz", "lines.tgz")):
        with tarfile.open(folder / name, mode) as tar:
            for path in sides:
                tar.add(path, f"a/{path.name}")
    with zipfile.ZipFile(folder / "lines.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sides:
            archive.write(path, f"a/{path.name}")
    rows = "".join(f"{a}\t{b}\n" for a, b in pairs).encode()
    (folder / "p.tsv").write_bytes(rows)
    (folder / "p.tsv.gz").write_bytes(gzip.compress(rows, 6))
    records = (json.dumps({"en": a, "de": b}, ensure_ascii=False) + "\n" for a, b in pairs)
    (folder / "p.jsonl").write_text("".join(records), encoding="utf-8")
    table = pyarrow.table({"translation": [{"en": a, "de": b} for a, b in pairs]})
    parquet.write_table(table, folder / "p.parquet", row_group_size=1000)
    names = ["lines.tar", "lines.tgz", "lines.zip", "", "p.tsv", "p.tsv.gz", "p.jsonl", "p.parquet"]
    return {
        layout: [folder / name] if name else sides
        for layout, name in zip(LAYOUTS, names, strict=True)
    }


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of the fastest turn."""
    turns = []
    for _ in range(TURNS):
        started = time.process_time()
        work()
        turns.append(time.process_time() - started)
    return min(turns)


def copy(path: Path) -> None:
    """Read a file in blocks and write them to another."""
    with path.open("rb") as stream, path.with_suffix(".copy").open("wb") as out:
        while block := stream.read(1 << 20):
            out.write(block)


if __name__ == "__main__":
    main()
