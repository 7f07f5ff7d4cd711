"""The raw files that a study starts from, as config/sources.yaml pins them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from finescale.errors import UserError


@dataclass(frozen=True)
class RawFile:
    """A raw file, or a member of an archive, with what pins it.

    `sha256` is None while nobody has pinned the file; such a file can be planned, not fetched.
    `records` is the number of lines, where the sources file says it.
    """

    name: str
    sha256: str | None
    size: int | None
    records: int | None


class Sources:
    """config/sources.yaml: every raw file by name, `<source>` or `<source>:<member>`."""

    def __init__(self, entries: dict[str, Any], path: str) -> None:
        self.entries = entries
        self.path = path

    @classmethod
    def read(cls, path: Path | str) -> "Sources":
        return cls(yaml.safe_load(Path(path).read_text()), str(path))

    def raw_file(self, name: str) -> RawFile:
        """Look a raw file up. UserError when the sources file does not have it."""
        source, _, member = name.partition(":")
        if source not in self.entries:
            raise UserError(f"{name}: {self.path} has no source `{source}`")
        entry = self.entries[source]
        if member:
            members = entry.get("members", {})
            if member not in members:
                raise UserError(f"{name}: source `{source}` in {self.path} has no such member")
            entry = members[member]
        return RawFile(name, entry.get("sha256"), entry.get("size"), entry.get("records"))
