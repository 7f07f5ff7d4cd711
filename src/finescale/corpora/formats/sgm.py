"""The test sets of WMT before 2021: two files of segments in something like SGML."""

import html
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

from finescale.corpora.archives import Member, open_members
from finescale.corpora.formats.raw import Columns, Raw
from finescale.errors import UserError

TAG = re.compile(r"<(/?)(doc|seg)\b([^<>]*)>", re.IGNORECASE)
ATTRIBUTE = re.compile(r"""(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
ENTITY = re.compile(r"&(?:#\d{1,8}|#[xX][0-9a-fA-F]{1,8}|[A-Za-z][A-Za-z0-9]{1,31});")

Key = tuple[str, str, int]  # document, segment, and how many of that name came before


def read_sgm(raw: Raw) -> Iterator[Columns]:
    """`sgm`: the members `source` and `target`, aligned by document and segment.

    Entities become the characters they stand for, which sacrebleu leaves as they are; white space
    is put together as it does. UserError when a segment has no other side.
    """
    patterns = [raw.fill(raw.reading[side]) for side in ("source", "target")]
    with open_members(raw.path, patterns, raw.name, raw.scratch) as found:
        for pattern, members in zip(patterns, found, strict=True):
            if len(members) > 1:
                several = ", ".join(member.name for member in members)
                raise UserError(f"{raw.name} holds several files {pattern!r}: {several}")
        names = [f"{members[0].name} in {raw.name}" for members in found]
        source, target = (_segments(m[0], name) for m, name in zip(found, names, strict=True))
    _check_alignment(source, target, names)
    yield {"source": list(source.values()), "target": [target[key] for key in source]}


def _check_alignment(source: dict[Key, str], target: dict[Key, str], names: list[str]) -> None:
    lone, where = next((key for key in source if key not in target), None), 1
    if lone is None:
        lone, where = next((key for key in target if key not in source), None), 0
    if lone is not None:
        raise UserError(
            f"{names[0]} has {len(source)} segments, {names[1]} {len(target)}: segment {lone[1]!r} "
            f"of document {lone[0]!r} is missing in {names[where]}"
        )


def _segments(member: Member, name: str) -> dict[Key, str]:
    with closing(member.open()) as stream:
        content = stream.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{name}, line {line}: not UTF-8 ({error.reason})") from None
    segments: dict[Key, str] = {}
    seen: Counter[tuple[str, str]] = Counter()
    document, opened = "", None
    for tag in TAG.finditer(text):
        closes, kind = tag[1], tag[2].lower()
        if opened is not None and not (closes and kind == "seg"):
            raise _unclosed(text, opened, name)
        if opened is not None:
            place = (document, _attribute(opened, "id"))
            segments[*place, seen[place]] = _plain(text[opened.end() : tag.start()])
            seen[place] += 1
            opened = None
        elif kind == "doc":
            document = "" if closes else _attribute(tag, "docid")
        elif not closes:
            opened = tag
    if opened is not None:
        raise _unclosed(text, opened, name)
    if not segments:
        raise UserError(f"{name} has no segments: it is no sgm file")
    return segments


def _attribute(tag: re.Match[str], wanted: str) -> str:
    for name, *values in ATTRIBUTE.findall(tag[3]):
        if name.lower() == wanted:
            return "".join(values)
    return ""


def _plain(text: str) -> str:
    # not html.unescape on the whole, which also takes `&para` of `a&parameter=1` for an entity
    return " ".join(ENTITY.sub(lambda entity: html.unescape(entity[0]), text).split())


def _unclosed(text: str, opened: re.Match[str], name: str) -> UserError:
    line = text.count("\n", 0, opened.start()) + 1
    return UserError(f"{name}, line {line}: a segment begins that does not end")
