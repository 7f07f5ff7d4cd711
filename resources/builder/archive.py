"""Writes the archive so that the same records always give the same bytes, and reports on it."""

import hashlib
import io
import json
import tarfile
from collections import Counter
from pathlib import Path

from .language import count_words
from .records import Record, to_lines

LICENCES = {"libreoffice": "MPL-2.0", "gnome-handbook": "CC-BY-SA-3.0"}
XZ_PRESET = 9  # its dictionary holds the whole archive: text that members share is stored once


def write_archive(path: Path, members: dict[str, bytes]) -> None:
    """Write `members` (name -> content) as a .tar.xz: sorted, no times, owners or modes."""
    with tarfile.open(path, "w:xz", format=tarfile.USTAR_FORMAT, preset=XZ_PRESET) as archive:
        for name in sorted(members):
            info = tarfile.TarInfo(name)
            info.size = len(members[name])
            archive.addfile(info, io.BytesIO(members[name]))


def encode(records: dict[str, list[Record]]) -> dict[str, bytes]:
    """The content of every member, under its file name."""
    return {f"{name}.jsonl": to_lines(lines) for name, lines in records.items()}


def pin(data: bytes) -> dict[str, str | int]:
    """SHA-256 and size of `data`."""
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def describe_members(
    records: dict[str, list[Record]], drops: dict[str, Counter[str]]
) -> dict[str, dict]:
    """For each member its pin, licence, counts and what was dropped on the way to it."""
    return {
        f"{name}.jsonl": {
            **pin(to_lines(lines)),
            "licence": LICENCES["gnome-handbook" if "gnome-handbook" in name else "libreoffice"],
            "records": len(lines),
            "words": _word_counts(name, lines),
            "dropped": {reason: n for reason, n in sorted(drops[name].items()) if n},
        }
        for name, lines in sorted(records.items())
    }


def _word_counts(name: str, records: list[Record]) -> dict[str, int]:
    """Words of each text field (Chinese: characters plus Latin words)."""
    counts: Counter[str] = Counter()
    for record in records:
        if "text" in record:
            counts["text"] += count_words(record["text"], name.split("/")[1].split(".")[0])
        else:
            counts["source"] += count_words(record["source"], record["source_language"])
            counts["target"] += count_words(record["target"], record["target_language"])
    return dict(counts)


def write_report(path: Path, report: dict) -> None:
    """Write `report` as JSON."""
    path.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def sources_entry(archive: dict[str, str | int], members: dict[str, dict]) -> str:
    """The YAML entry that lists the archive and its members in config/sources.yaml."""
    lines = [
        "help-corpus:",
        "  path: resources/corpus.tar.xz",
        f"  sha256: {archive['sha256']}",
        f"  size: {archive['size']}",
        '  licence: "MPL-2.0 (LibreOffice help) and CC-BY-SA-3.0 (GNOME help, debian-handbook)"',
        "  members:",
    ]
    for name, member in sorted(members.items()):
        pins = ", ".join(f"{key}: {member[key]}" for key in ("sha256", "size", "records"))
        lines.append(f"    {name}: {{{pins}}}")
    return "\n".join(lines) + "\n"
