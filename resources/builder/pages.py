"""Reads help pages into keyed blocks of plain text, in reading order."""

import re
import unicodedata
import xml.etree.ElementTree as ElementTree
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\ufeff"))


@dataclass(frozen=True)
class Block:
    """A paragraph or heading. `key` names it inside its page, in every language."""

    key: str
    kind: str  # heading, paragraph (running text of the page itself) or part (list, table, note)
    text: str


@dataclass(frozen=True)
class Page:
    """One help page in one language; `name` is the same in all languages."""

    name: str
    blocks: tuple[Block, ...]


Attributes = dict[str, str | None]


def clean(text: str) -> str:
    """NFC, without invisible characters, runs of white space as one space."""
    text = unicodedata.normalize("NFC", text).translate(INVISIBLE)
    return re.sub(r"\s+", " ", text).strip()


class _BlockParser(HTMLParser, ABC):
    """Cuts a document into blocks; subclasses say what is a block and what is skipped."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._depth = 0  # of open elements
        self._skip_below: int | None = None  # depth of the outermost skipped element
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            self._text.append(" ")
            return
        self._depth += 1
        if self._skip_below is None:
            attributes = dict(attrs)
            if self.is_skipped(tag, (attributes.get("class") or "").split()):
                self._skip_below = self._depth
            else:
                self.open(tag, attributes)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._text.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if self._skip_below is None:
            self.close_element(tag)
        elif self._skip_below == self._depth:
            self._skip_below = None
        self._depth -= 1

    def handle_data(self, data: str) -> None:
        if self._skip_below is None:
            self._text.append(data)

    def take_text(self) -> str:
        """The text since the last call."""
        text, self._text = clean("".join(self._text)), []
        return text

    @abstractmethod
    def is_skipped(self, tag: str, classes: list[str]) -> bool:
        """Whether an element, with all that is in it, holds no text of the page."""

    @abstractmethod
    def open(self, tag: str, attributes: Attributes) -> None:
        """What the start of an element means."""

    @abstractmethod
    def close_element(self, tag: str) -> None:
        """What the end of an element means."""


class LibreOfficeParser(_BlockParser):
    """Blocks are headings and paragraphs with an id, the same id in every language.

    Embedded sections are left out: they are the text of another page, which has its own role.
    Where words differ by system or application ("switchinline"), the first variant that is not
    for macOS is taken.
    """

    SKIPPED = frozenset({"embedded", "howtoget", "relatedtopics", "bascode", "pycode", "MAC"})
    CODE = frozenset({"code", "codeintable", "smathcode", "related"})

    def __init__(self) -> None:
        super().__init__()
        self._block: tuple[str, str, str] | None = None  # tag, id, kind
        self._switch_depth: int | None = None  # depth of the open "switchinline" element
        self._has_variant = False

    def is_skipped(self, tag: str, classes: list[str]) -> bool:
        if tag in {"pre", "script"} or not self.SKIPPED.isdisjoint(classes):
            return True
        if "switchinline" in classes:
            self._switch_depth, self._has_variant = self._depth, False
        elif self._switch_depth is not None and self._depth == self._switch_depth + 1:
            is_later_variant, self._has_variant = self._has_variant, True
            return is_later_variant
        return False

    def open(self, tag: str, attributes: Attributes) -> None:
        classes = (attributes.get("class") or "").split()
        key = attributes.get("id")
        if (tag == "p" or tag in HEADINGS) and key and self.CODE.isdisjoint(classes):
            kind = "paragraph" if "paragraph" in classes else "part"
            self.take_text()
            self._block = (tag, key, "heading" if tag in HEADINGS else kind)

    def close_element(self, tag: str) -> None:
        if self._depth == self._switch_depth:
            self._switch_depth = None
        if self._block is None or tag != self._block[0]:
            return
        _, key, kind = self._block
        text = self.take_text()
        if text:
            self.blocks.append(Block(key, kind, text))
        self._block = None


class HandbookParser(_BlockParser):
    """Blocks are what lies between two block-level tags; keys are positions."""

    SKIPPED = frozenset({"docnav", "toc", "screen", "programlisting", "mediaobject", "indexterm"})
    BREAKS = HEADINGS | {"div", "p", "ul", "ol", "li", "dl", "dt", "dd", "table", "tr", "td", "th"}

    def is_skipped(self, tag: str, classes: list[str]) -> bool:
        return tag in {"head", "pre", "script"} or not self.SKIPPED.isdisjoint(classes)

    def open(self, tag: str, attributes: Attributes) -> None:
        if attributes.get("id") in {"banner", "title"}:
            self._skip_below = self._depth
        elif tag in self.BREAKS:
            self._end_block("paragraph")

    def close_element(self, tag: str) -> None:
        if tag in self.BREAKS:
            self._end_block("heading" if tag in HEADINGS else "paragraph")

    def _end_block(self, kind: str) -> None:
        text = re.sub(r"^[A-Z\d]+(\.\d+)*\. ", "", self.take_text())  # "6.2.1. Initialisation"
        if text:
            self.blocks.append(Block(str(len(self.blocks)), kind, text))


def parse_libreoffice(document: str) -> tuple[Block, ...]:
    """Blocks of a LibreOffice help page; of two with one id the first."""
    start, end = document.find('<div id="DisplayArea"'), document.find('<div id="SearchFrame"')
    parser = LibreOfficeParser()
    parser.feed(document[max(start, 0) : end if end > 0 else None])
    first: dict[str, Block] = {}
    for block in parser.blocks:
        first.setdefault(block.key, block)
    return tuple(first.values())


def parse_handbook(document: str) -> tuple[Block, ...]:
    """Blocks of a page of the Debian handbook."""
    parser = HandbookParser()
    parser.feed(document)
    return tuple(parser.blocks)


def parse_mallard(document: str) -> tuple[Block, ...]:
    """Blocks of a GNOME help page: its titles and paragraphs, without metadata and code."""
    blocks: list[Block] = []
    _walk_mallard(ElementTree.fromstring(document), blocks)
    return tuple(blocks)


def _walk_mallard(element: ElementTree.Element, blocks: list[Block]) -> None:
    tag = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
    if tag in {"p", "title"}:
        text = clean("".join(element.itertext()))
        if text:
            kind = "heading" if tag == "title" else "paragraph"
            blocks.append(Block(str(len(blocks)), kind, text))
    elif tag not in {"info", "comment", "code", "screen", "listing", ""}:
        for child in element:
            _walk_mallard(child, blocks)


def read_pages(
    folder: Path, pattern: str, parse: Callable[[str], tuple[Block, ...]], prefix: str
) -> dict[str, Page]:
    """The pages below `folder` that match `pattern`, by name: prefix/relative path, no suffix."""
    pages = {}
    for path in sorted(folder.glob(pattern)):
        name = f"{prefix}/{path.relative_to(folder).with_suffix('').as_posix()}"
        pages[name] = Page(name, parse(path.read_text(encoding="utf-8")))
    return pages
