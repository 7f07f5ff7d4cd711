"""Which raw files the names on a command line stand for."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from finescale.errors import UserError, suggestion
from finescale.study.sources import Sources

PAPER = Path("config/paper.yaml")
TEXT = "text"  # stands for the pretraining text of a study
NAME_HELP = (
    "a task, `text` (pretraining text), a source of config/sources.yaml, or shards of one"
    " (c4-en:0-15); where a task and a source have one name, it is the task"
)


class Choice:
    """The sources, and which of their files a command is about."""

    def __init__(self, sources: Sources, config: Path | None) -> None:
        self.sources, self._config = sources, config

    def all(self) -> list[str]:
        """The raw files of the study that was named; else of everything that is declared."""
        if self._config is None:
            return self._expanded(self.sources)
        return self._expanded(raw for _, raw in self._keys(self._config))

    def of(self, names: Sequence[str]) -> list[str]:
        """The raw files behind tasks, sources and parts of sources."""
        tasks = self._tasks()
        return self._expanded(raw for name in names for raw in self._named(name, tasks))

    def _named(self, name: str, tasks: dict[str, list[str]]) -> list[str]:
        if name in tasks:
            return tasks[name]
        if name.partition(":")[0] in self.sources:
            return [name]
        known = {*tasks, *self.sources}
        raise UserError(f"`{name}` is no task and no source{suggestion(name, known)}")

    def _tasks(self) -> dict[str, list[str]]:
        if self._config is None and not PAPER.is_file():
            return {}
        found: dict[str, list[str]] = {}
        for key, raw in self._keys(self._config or PAPER):
            kind, name, *_ = key.split(".")
            if kind in ("tasks", TEXT):
                found.setdefault(TEXT if kind == TEXT else name, []).append(raw)
        return found

    def _keys(self, config: Path) -> Iterator[tuple[str, str]]:
        from finescale.study.build import raw_files
        from finescale.study.config import load_config
        from finescale.study.files import SCHEMA

        return raw_files(load_config(config, SCHEMA))

    def _expanded(self, names: Iterable[str]) -> list[str]:
        """Each file once; of archive members their archive."""
        files = (self.sources.file(raw) for name in names for raw in self.sources.expand(name))
        return list(dict.fromkeys(file.name for file in files))
