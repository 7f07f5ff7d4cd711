"""Lines of text, and lines of two files that belong together.

A line ends at \\n and nowhere else: NEL, U+2028 and form feeds stay inside. \\r before \\n and a
byte order mark at the start go.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import closing
from fnmatch import translate
from itertools import chain
from typing import IO

from finescale.corpora.archives import Member, open_file, open_members
from finescale.corpora.formats.raw import Columns, Raw
from finescale.errors import MOST_SHOWN, UserError

BLOCK_BYTES = 1 << 17
MOST_LINE_BYTES = 1 << 27
UTF16 = (b"\xff\xfe", b"\xfe\xff")
WILDCARD = re.compile(r"(\*|\?|\[!?\]?[^\]]*\])")
BOM = b"\xef\xbb\xbf"


def read_lines(raw: Raw) -> Iterator[Columns]:
    """`lines`: the members `source` and `target` of an archive; patterns may fit several each.

    Then two belong together that have the same where both patterns have the same wildcard.
    """
    patterns = [raw.fill(raw.reading[side]) for side in ("source", "target")]
    with open_members(raw.path, patterns, raw.name, raw.scratch) as (sources, targets):
        for pair in _paired(sources, targets, patterns, raw.name):
            with closing(pair[0].open()) as source, closing(pair[1].open()) as target:
                names = [f"{member.name} in {raw.name}" for member in pair]
                yield from aligned(source, target, *names)


def _paired(
    sources: Sequence[Member], targets: Sequence[Member], patterns: Sequence[str], name: str
) -> Iterator[tuple[Member, Member]]:
    """Each source and its target, in the order of the sources' names."""
    wildcards = [WILDCARD.findall(pattern) for pattern in patterns]
    common = set(wildcards[0]) & set(wildcards[1])
    in_order = [[each for each in own if each in common] for own in wildcards]
    compared = common if in_order[0] == in_order[1] else set()
    keys = [
        [_wild(member, pattern, compared) for member in members]
        for pattern, members in zip(patterns, (sources, targets), strict=True)
    ]
    of_sources, of_targets = map(Counter, keys)
    lone = [
        member.name
        for member, key in zip((*sources, *targets), chain(*keys), strict=True)
        if not of_sources[key] == of_targets[key] == 1
    ]
    if lone:
        more = f" and {len(lone) - MOST_SHOWN} more" if len(lone) > MOST_SHOWN else ""
        raise UserError(
            f"{name}: of the files {patterns[0]!r} and {patterns[1]!r} these have no partner, or "
            f"more than one: {', '.join(lone[:MOST_SHOWN])}{more}; two belong together if both "
            "have the same in place of the wildcards"
        )
    partners = dict(zip(keys[1], targets, strict=True))
    return ((source, partners[key]) for source, key in zip(sources, keys[0], strict=True))


def _wild(member: Member, pattern: str, wildcards: Set[str]) -> tuple[str, ...]:
    """What a member's name has in place of these wildcards of the pattern that it fits."""
    expression = "".join(
        f"({translate(part)[:-2]})" if part in wildcards else translate(part)[:-2]  # without \\Z
        for part in WILDCARD.split(pattern)
    )
    found = re.fullmatch(expression, member.name.removeprefix("./"))
    return found.groups() if found else ()  # the pattern is the name itself


def read_moses(raw: Raw) -> Iterator[Columns]:
    """`moses`: two raw files, source then target."""
    with (
        closing(open_file(raw.paths[0], raw.names[0])) as source,
        closing(open_file(raw.paths[1], raw.names[1])) as target,
    ):
        yield from aligned(source, target, *raw.names)


def read_text(raw: Raw) -> Iterator[Columns]:
    """`text`: one document a line, of the file or of the members that fit `member`."""
    for stream, name in streams(raw):
        for lines in blocks(stream, name):
            yield {"text": lines}


def streams(raw: Raw) -> Iterator[tuple[IO[bytes], str]]:
    """The raw file, or those of its members that the reading names, each with its name."""
    if "member" not in raw.reading:
        with closing(open_file(raw.path, raw.name)) as stream:
            yield stream, raw.name
        return
    patterns = [raw.fill(raw.reading["member"])]
    with open_members(raw.path, patterns, raw.name, raw.scratch) as (members,):
        for member in members:
            with closing(member.open()) as stream:
                yield stream, _named(member, raw)


def _named(member: Member, raw: Raw) -> str:
    return f"{member.name} in {raw.name}"


def aligned(
    source: IO[bytes], target: IO[bytes], source_name: str, target_name: str
) -> Iterator[Columns]:
    """Pair the lines of two files. UserError when one has more."""
    left, right = blocks(source, source_name), blocks(target, target_name)
    count = 0
    ours: list[str] = []
    theirs: list[str] = []
    while True:
        ours, theirs = ours or next(left, []), theirs or next(right, [])
        paired = min(len(ours), len(theirs))
        if not paired:
            break
        count += paired
        yield {"source": ours[:paired], "target": theirs[:paired]}
        ours, theirs = ours[paired:], theirs[paired:]
    if ours or theirs:
        counts = [
            count + len(part) + _count(rest) for part, rest in ((ours, left), (theirs, right))
        ]
        raise UserError(
            f"{source_name} has {counts[0]} lines, {target_name} {counts[1]}: they are not aligned "
            f"(line {count + 1} is in one of them alone)"
        )


def _count(rest: Iterable[list[str]]) -> int:
    return sum(map(len, rest))


def blocks(stream: IO[bytes], name: str) -> Iterator[list[str]]:
    """The lines of a stream, a list for every 128 KiB or so.

    UserError, with the number of the line, when it is not UTF-8 or longer than any text.
    """
    before = 0
    for block in _whole_lines(stream, name):
        try:
            text = block.decode("utf-8")
        except UnicodeDecodeError as error:
            line = before + block.count(b"\n", 0, error.start) + 1
            what = (
                "UTF-16" if line == 1 and block.startswith(UTF16) else f"not UTF-8 ({error.reason})"
            )
            raise UserError(
                f"{name}, line {line}: the text is {what}: convert it to UTF-8"
            ) from None
        lines = text.split("\n")
        if not lines[-1]:
            lines.pop()
        if "\r" in text:
            lines = [line[:-1] if line.endswith("\r") else line for line in lines]
        before += len(lines)
        yield lines


def _whole_lines(stream: IO[bytes], name: str) -> Iterator[bytes]:
    """The bytes of a stream, cut behind a \\n."""
    parts = [stream.read(BLOCK_BYTES).removeprefix(BOM)]
    length = len(parts[0])
    while chunk := stream.read(BLOCK_BYTES):
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield b"".join([*parts, chunk[:cut]])
            parts, length = [], 0
        parts.append(chunk[cut:])
        length += len(chunk)
        if length > MOST_LINE_BYTES:
            raise UserError(f"{name} has a line of more than {MOST_LINE_BYTES >> 20} MiB: not text")
    if rest := b"".join(parts):
        yield rest
