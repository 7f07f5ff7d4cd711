"""Encoding text against SentencePiece's own batch encoding with as many threads.

    python benchmarks/tokenising.py

The pretraining text and one task's examples of the embedded corpus, repeated. Ours reads the
records, checks them, encodes, hashes what it keeps and writes the artifact's arrays;
SentencePiece's turns texts that are in memory into lists, in batches, and drops them. In turns, so
that a busy machine disturbs both; medians of the rounds. Reach: at least 0.8 of SentencePiece's
speed. Results go to benchmarks/results/tokenising.json.
"""

import json
import statistics
import sys
import tarfile
from collections import deque
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import ROOT, measure

FILES = 24
COPIES = {"documents": 1, "examples": 4}  # of the embedded records, in each file
ROUNDS = 3
VOCABULARY = 8000
BATCH = 4096
TASK = "help-en-de"
RESULTS = ROOT / "benchmarks" / "results" / "tokenising.json"


def main() -> None:
    """Print and write a row for documents and for examples, with one and with two workers."""
    rows = []
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder)
        for kind in ("documents", "examples"):
            size = sum(path.stat().st_size for path in folder.glob(f"{kind}-*"))
            for workers in (1, 2):
                rows.append(compare(folder, kind, workers) | {"megabytes": size / 1e6})
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


def compare(folder: Path, kind: str, workers: int) -> dict[str, object]:
    """Seconds of both and how many times as fast ours is.

    Without what starting Python takes, and for SentencePiece having the texts in memory.
    """
    seconds: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for side in ("idle", "loaded", "own", "ours", "reading"):
            used = measure([sys.executable, __file__, side, kind, str(workers), str(folder)])
            for clock, value in (("wall", used.wall_seconds), ("cpu", used.cpu_seconds)):
                seconds.setdefault(f"{side} {clock}", []).append(value)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    row: dict[str, object] = {"kind": kind, "workers": workers, "rounds": ROUNDS}
    for clock in ("wall", "cpu"):
        started = middle[f"idle {clock}"]
        own = middle[f"own {clock}"] - middle[f"loaded {clock}"]
        ours, read = (middle[f"{side} {clock}"] - started for side in ("ours", "reading"))
        row |= {f"sentencepiece_{clock}_seconds": own, f"{clock}_seconds": ours}
        row[f"{clock}_ratio"] = own / ours
        shared = workers if clock == "wall" else 1
        row[f"{clock}_ratio_without_reading"] = own / (ours - read / shared)
    print(json.dumps(row, indent=1))
    return row


def prepare(folder: Path) -> None:
    """Write a tokenizer, and each kind of records as several files of the same content."""
    from finescale.tokens import train_tokenizer

    found = {"documents": b"", "examples": b""}
    with tarfile.open(ROOT / "resources" / "corpus.tar.xz") as corpus:
        for member in corpus:
            kind = "documents" if "pretraining/" in member.name else "examples"
            if kind == "documents" or member.name.endswith(f"{TASK}/train.jsonl"):
                stream = corpus.extractfile(member)
                found[kind] += stream.read() if stream else b""
    texts = [json.loads(line)["text"] for line in found["documents"].splitlines()]
    (folder / "tokenizer.model").write_bytes(train_tokenizer(texts[::8], VOCABULARY, 0.9995, 32))
    for kind, content in found.items():
        for k in range(FILES):
            (folder / f"{kind}-{k}.jsonl").write_bytes(content * COPIES[kind])


def run(side: str, kind: str, workers: int, folder: Path) -> None:
    """What is timed, in a process of its own."""
    from finescale.corpora import read_examples, read_texts
    from finescale.tokens import Tokenizer

    tokenizer = Tokenizer(folder / "tokenizer.model")
    files = sorted(folder.glob(f"{kind}-*.jsonl"))
    if side == "idle":
        return
    if side == "ours":
        with TemporaryDirectory(dir=folder) as out:
            ours(kind, files, tokenizer, Path(out), workers)
        return
    if side == "reading":
        read = read_texts if kind == "documents" else read_examples
        for path in files:
            deque(read(path), maxlen=0)
        return
    fields = ("text",) if kind == "documents" else ("source", "target")
    records = [json.loads(line) for line in files[0].open("rb")]
    texts = [record[field] for record in records for field in fields]
    for _ in range(FILES if side == "own" else 0):
        for start in range(0, len(texts), BATCH):
            tokenizer._processor.encode(texts[start : start + BATCH], num_threads=workers)


def ours(kind: str, files: list[Path], tokenizer: object, out: Path, workers: int) -> None:
    """Encode as the stage's program does."""
    from finescale.tokens import ExampleFormat, Mixture, encode_documents, encode_examples

    kept = out / "kept"
    if kind == "documents":
        encode_documents({"all": files}, tokenizer, Mixture(0, 0.01), out, kept, workers)
    else:
        splits = {path.stem: path for path in files}
        encode_examples(splits, tokenizer, ExampleFormat("{source}", 256, 256), out, kept, workers)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
