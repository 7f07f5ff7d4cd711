"""The places where the paper's data are, as a local server: small files in the original layouts.

The texts are pairs and documents of the embedded corpus.
"""

import gzip
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
HUB = "huggingface.co"
WMT19 = "datasets/wmt/wmt19/resolve/798d1043ae8e3a6b7d201b462cc181d3d13b0955"
CNN = "datasets/abisee/cnn_dailymail/resolve/96df5e686bee6baa90b8bee7c28b81fa3fa6223d/3.0.0"
C4 = "datasets/allenai/c4/resolve/1588ec454efa1a09f29cd18ddd04fe05fc8653a2"
FLORES = {
    **{"de": "deu_Latn", "zh": "zho_Hans", "fr": "fra_Latn"},
    **{"hi": "hin_Deva", "tr": "tur_Latn", "pl": "pol_Latn"},
}
MLSUM = "gitlab.lip6.fr/scialom/mlsum_data/-/raw/master/MLSUM"
C4_SHARDS = 2  # of each language, of a thousand or two
Pair = tuple[str, str]


def embedded(member: str) -> list[dict[str, str]]:
    """The records of a member of the embedded corpus."""
    with tarfile.open(ROOT / "resources/corpus.tar.xz") as archive:
        content = archive.extractfile(member)
        assert content is not None
        return [json.loads(line) for line in content]


def pairs(member: str, count: int, start: int = 0) -> list[Pair]:
    records = embedded(member)[start : start + count]
    return [(_line(record["source"]), _line(record["target"])) for record in records]


def _line(text: str) -> str:
    return " ".join(text.split())


def write_internet(folder: Path) -> None:
    """Write every file at `<folder>/<host>/<path>`."""
    german, chinese = (pairs(f"help-en-{code}/train.jsonl", 120) for code in ("de", "zh"))
    _write_wmt14(folder, german)
    _write_wmt19(folder / HUB / WMT19 / "zh-en", chinese)
    _write_test_sets(folder, german[:20], chinese[:20])
    _write_flores(folder / "dl.fbaipublicfiles.com/nllb/flores200_dataset.tar.gz")
    _write_summaries(folder)
    _write_c4(folder / HUB / C4)


def _write_wmt14(folder: Path, german: Sequence[Pair]) -> None:
    archives = {
        "www.statmt.org/wmt13/training-parallel-europarl-v7.tgz": "training/europarl-v7",
        "www.statmt.org/wmt13/training-parallel-commoncrawl.tgz": "commoncrawl",
        "www.statmt.org/wmt14/training-parallel-nc-v9.tgz": "training/news-commentary-v9",
    }
    for place, (path, stem) in enumerate(archives.items()):
        chosen = [*german[place::3], ("", "Nur auf Deutsch.")]  # as in the originals
        tar(
            folder / path,
            {
                f"{stem}.cs-en.cs": "Jiný pár.\n",
                f"{stem}.de-en.de": "".join(f"{target}\n" for _, target in chosen),
                f"{stem}.de-en.en": "".join(f"{source}\n" for source, _ in chosen),
            },
        )


def _write_wmt19(folder: Path, chinese: Sequence[Pair]) -> None:
    for shard in range(13):
        rows = [{"zh": target, "en": source} for source, target in chinese[shard::13]]
        kind = pa.struct([("zh", pa.string()), ("en", pa.string())])
        table = pa.table({"translation": pa.array(rows, kind)})
        parquet(folder / f"train-{shard:05d}-of-00013.parquet", table)


def _write_test_sets(folder: Path, german: Sequence[Pair], chinese: Sequence[Pair]) -> None:
    tar(
        folder / "statmt.org/wmt13/test.tgz",
        {
            "test/newstest2013-src.en.sgm": sgm("srcset", "en", [one for one, _ in german]),
            "test/newstest2013-src.de.sgm": sgm("srcset", "de", [two for _, two in german]),
        },
    )
    tar(
        folder / "data.statmt.org/wmt17/translation-task/dev.tgz",
        {
            "dev/newsdev2017-enzh-src.en.sgm": sgm("srcset", "en", [one for one, _ in chinese]),
            "dev/newsdev2017-enzh-ref.zh.sgm": sgm("refset", "zh", [two for _, two in chinese]),
        },
    )
    sets = {"de": german, "zh": chinese}
    members = {}
    for code, rows in sets.items():
        stem = f"sgm/newstest2020-en{code}"
        members[f"{stem}-src.en.sgm"] = sgm("srcset", "en", [one for one, _ in rows])
        members[f"{stem}-ref.{code}.sgm"] = sgm("refset", code, [two for _, two in rows])
    tar(folder / "data.statmt.org/wmt20/translation-task/test.tgz", members)
    tar(
        folder / "data.statmt.org/wmt21/translation-task/test.tgz",
        {f"test/newstest2021.en-{code}.xml": xml(code, rows) for code, rows in sets.items()},
    )
    stem = "wmt22-news-systems-1.1/xml/wmttest2022"
    tar(
        folder / "github.com/wmt-conference/wmt22-news-systems/archive/refs/tags/v1.1.tar.gz",
        {f"{stem}.en-{code}.all.xml": xml(code, rows) for code, rows in sets.items()},
    )


def sgm(kind: str, language: str, lines: Sequence[str]) -> str:
    """A set in NIST's SGML, as WMT had it until 2020."""
    segments = "\n".join(
        f'<seg id="{number}">{escape(line)}</seg>' for number, line in enumerate(lines, start=1)
    )
    return (
        f'<{kind} setid="news" srclang="any" trglang="{language}">\n'
        f'<doc sysid="ref" docid="one" genre="news" origlang="en">\n<p>\n{segments}\n</p>\n</doc>\n'
        f"</{kind}>\n"
    )


def xml(language: str, rows: Sequence[Pair]) -> str:
    """A set as WMT has it since 2021: two references, and a system's output."""

    def segments(lines: Sequence[str]) -> str:
        return "\n".join(
            f'<seg id="{number}">{escape(line)}</seg>' for number, line in enumerate(lines, start=1)
        )

    def part(tag: str, lines: Sequence[str]) -> str:
        return f"<{tag}>\n<p>\n{segments(lines)}\n</p>\n</{tag.partition(' ')[0]}>\n"

    source, target = ([row[side] for row in rows] for side in (0, 1))
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<dataset id="newstest">\n'
        '<doc origlang="en" id="one">\n'
        + part('src lang="en"', source)
        + part(f'ref lang="{language}" translator="A"', target)
        + part(f'ref lang="{language}" translator="B"', ["other"] * len(rows))
        + part(f'hyp system="some" lang="{language}"', ["bad"] * len(rows))
        + "</doc>\n</dataset>\n"
    )


def _write_flores(path: Path) -> None:
    members = {}
    for code in FLORES.values():
        members[f"flores200_dataset/dev/{code}.dev"] = "wrong\n"
        members[f"flores200_dataset/devtest/{code}.devtest"] = "".join(
            f"{code} {number}\n" for number in range(12)
        )
    tar(path, members)


def _write_summaries(folder: Path) -> None:
    english = summaries("en")
    splits = {"train": 3, "validation": 1, "test": 1}
    for split, shards in splits.items():
        for shard in range(shards):
            rows = english[shard : 3 * 12 : shards]
            table = pa.table(
                {
                    "article": [row["source"] for row in rows],
                    "highlights": [row["target"] for row in rows],
                    "id": [f"{split}{shard}{place}" for place in range(len(rows))],
                }
            )
            parquet(folder / HUB / CNN / f"{split}-{shard:05d}-of-{shards:05d}.parquet", table)
    for language in ("de", "es", "fr"):
        for split in ("train", "val", "test"):
            _write_mlsum(folder / MLSUM / f"{language}_{split}.zip", language)


def summaries(language: str) -> list[dict[str, str]]:
    records = embedded("help-summaries/train.jsonl")
    return [record for record in records if record["target_language"] == language]


def _write_mlsum(path: Path, language: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    more = {"topic": "politik", "url": "https://example.org", "title": "?", "date": "00/01/2010"}
    lines = [
        json.dumps({"text": record["source"], "summary": record["target"], **more})
        for record in summaries(language)[:30]
    ]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{path.stem}.jsonl", "".join(f"{line}\n" for line in lines))


def _write_c4(folder: Path) -> None:
    patterns = {
        "en": ("en/c4-train.{:05d}-of-01024.json.gz"),
        "de": ("multilingual/c4-de.tfrecord-{:05d}-of-02048.json.gz"),
        "zh": ("multilingual/c4-zh.tfrecord-{:05d}-of-01024.json.gz"),
    }
    for language, pattern in patterns.items():
        documents = embedded(f"pretraining/{language}.libreoffice.jsonl")
        for shard in range(C4_SHARDS):
            path = folder / pattern.format(shard)
            path.parent.mkdir(parents=True, exist_ok=True)
            with gzip.open(path, "wt", encoding="utf-8") as out:
                for document in documents[shard::C4_SHARDS]:
                    url, timestamp = "https://example.org", "2019-04-25T12:57:54Z"
                    line = {"text": document["text"], "timestamp": timestamp, "url": url}
                    out.write(json.dumps(line) + "\n")


def tar(path: Path, members: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, text in members.items():
            content = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def parquet(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing of it."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which a folder is served."""
    handler = partial(Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
