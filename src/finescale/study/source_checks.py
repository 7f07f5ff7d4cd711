"""What the values of an entry in config/sources.yaml may be: types, names, addresses, pins."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from finescale.errors import UserError, suggestion

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
WEB_ADDRESS = re.compile(r"https?://[^/\s]+(/\S*)?")
# kind, repository, revision and path
HUB_ADDRESS = re.compile(r"hf://(datasets/)?([^/@\s]+/[^/@\s]+)@([^/\s]+)/(\S+)")
HUB_FORM = "hf://[datasets/]OWNER/NAME@REVISION"
PARTS = ("members", "files", "shards")
PIN = "{sha256: ..., size: ...}"


def is_text(value: Any) -> bool:
    """Whether a value of YAML is text that says something."""
    return isinstance(value, str) and bool(value.strip())


def is_count(value: Any) -> bool:
    """Whether a value of YAML is a number from 0; true is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_hash(digits: int) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, str) and bool(re.fullmatch(f"[0-9a-f]{{{digits}}}", value))
    )


Shape = tuple[Callable[[Any], bool], str]  # what a value must fulfil, and the words for it
PIN_SHAPES: dict[str, Shape] = {
    "sha256": (_is_hash(64), "64 hexadecimal digits as text (or null)"),
    "md5": (_is_hash(32), "32 hexadecimal digits as text (or null)"),
    "size": (is_count, "a number of bytes (or null)"),
    "records": (is_count, "a number of examples or documents (or null)"),
}
ENTRY_SHAPES: dict[str, Shape] = {
    "path": (is_text, "one path, relative to the root"),
    "url": (is_text, "one URL; others of the same bytes are its `mirrors`"),
    "mirrors": (
        lambda value: isinstance(value, list) and all(map(is_text, value)),
        "a list of URLs",
    ),
    **PIN_SHAPES,
    "licence": (is_text, "text"),
    "purpose": (is_text, "text"),
    "reading": (lambda _: True, ""),  # readings.py checks it
    "members": (
        lambda value: isinstance(value, dict) and bool(value),
        f"a mapping, such as {{NAME: {PIN}}}",
    ),
    "files": (
        lambda value: isinstance(value, (dict, list)) and bool(value),
        f"a list of names, or a mapping such as {{NAME: {PIN}, OTHER: null}}",
    ),
    "shards": (lambda value: is_count(value) and value > 0, "how many files there are"),
}


def check_entry(name: Any, entry: Any, where: str) -> dict[str, Any]:
    """An entry without the keys that are null. UserError for what cannot be meant."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UserError(f"{where}: a name has letters, digits and _ . - alone, and is text")
    if not isinstance(entry, dict) or not (entry.get("path") or entry.get("url")):
        raise UserError(f"{where}: a source needs a path or a url")
    given = _checked(entry, ENTRY_SHAPES, where)
    parts = [key for key in PARTS if key in given]
    if len(parts) > 1:
        raise UserError(f"{where}: a source has {' or '.join(parts)}, not both")
    _check_pins_of_parts(given, where)
    return given


def _check_pins_of_parts(entry: Mapping[str, Any], where: str) -> None:
    """One pin cannot hold for several files; of shards the records are counted together."""
    if "files" in entry and (wrong := PIN_SHAPES.keys() & entry.keys()):
        raise UserError(
            f"{where}: {', '.join(sorted(wrong))}: each of several files has its own: "
            f"`files: {{NAME: {PIN}}}`"
        )
    if "shards" in entry and (wrong := {"sha256", "md5", "size"} & entry.keys()):
        raise UserError(
            f"{where}: {', '.join(sorted(wrong))}: each shard has its own, which "
            "`finescale sources --lock` writes"
        )


def check_part(name: Any, pin: Any, where: str) -> dict[str, Any]:
    """The pin of a member or file, without what is null. UserError for what cannot be one."""
    if not is_text(name):
        raise UserError(f"{where}: {name!r} is no name; write it as text, in quotes")
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise UserError(f"{where}: {name!r} points outside of the archive or folder")
    return check_pin({} if pin is None else pin, f"{where}: {name}")


def check_pin(pin: Any, where: str) -> dict[str, Any]:
    """A pin without what is null. UserError for what cannot be one."""
    if not isinstance(pin, dict):
        raise UserError(f"{where}: {pin!r} is no pin, expected {PIN} or null")
    return _checked(pin, PIN_SHAPES, where)


def _checked(values: Mapping[Any, Any], shapes: Mapping[str, Shape], where: str) -> dict[str, Any]:
    for key, value in values.items():
        if key not in shapes:
            raise UserError(f"{where}: unknown key `{key}`{suggestion(str(key), shapes)}")
        fits, expected = shapes[key]
        if value is not None and not fits(value):
            raise UserError(f"{where}: {key} is {value!r}, expected {expected}")
    return {key: value for key, value in values.items() if value is not None}


def check_addresses(urls: Iterable[str], parts: Mapping[str, Any], where: str) -> None:
    """UserError for an address that nothing can be fetched from; `parts` are names behind it."""
    for url in urls:
        if url.startswith("hf://"):
            if not HUB_ADDRESS.fullmatch(f"{url.rstrip('/')}/x" if parts else url):
                form = HUB_FORM if parts else f"{HUB_FORM}/PATH"
                raise UserError(f"{where}: {url}: expected {form}")
        elif not WEB_ADDRESS.fullmatch(url):
            raise UserError(
                f"{where}: {url!r} is no address: it starts with https://, http:// or hf:// "
                "(a file that is here already has a `path`)"
            )


def refuse_duplicates(document: yaml.Node | None, where: str) -> None:
    """UserError for a mapping that has a key twice: YAML's readers keep the last in silence.

    Keys are scalars: the document has been read.
    """
    seen: set[int] = set()
    nodes = [document] if document else []
    while nodes:
        node = nodes.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys = set()
            for key, value in node.value:
                if key.value in keys:
                    line = key.start_mark.line + 1
                    raise UserError(f"{where}, line {line}: `{key.value}` is there already")
                keys.add(key.value)
                nodes.append(value)
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value
