"""The test sets of WMT since 2021: one XML file with sources, references and outputs."""

from collections.abc import Iterator
from xml.etree import ElementTree

from finescale.corpora.formats.lines import streams
from finescale.corpora.formats.raw import Columns, Raw
from finescale.errors import UserError


def read_wmt_xml(raw: Raw) -> Iterator[Columns]:
    """`wmt-xml`: the segments of all documents with the reference of one translator.

    As sacrebleu 2.6.0 does: documents of test suites are left out (and counted), segments come in
    the order of their numbers, white space is put together. A segment that this translator has not
    translated has an empty target.
    """
    wanted = str(raw.reading["reference"])
    translators: set[str] = set()
    for stream, name in streams(raw):
        try:
            for _, element in ElementTree.iterparse(stream):
                if element.tag == "doc":
                    translators |= {ref.get("translator", "") for ref in element.iter("ref")}
                    yield _document(element, wanted, raw, name)
                    element.clear()
        except (ElementTree.ParseError, LookupError, ValueError) as error:  # of its encoding, too
            raise UserError(f"{name} is not the XML of a test set: {error}") from None
        if wanted not in translators:
            known = ", ".join(sorted(translators)) or "none"
            raise UserError(f"{name} has no reference {wanted!r}; its translators: {known}")


def _document(document: ElementTree.Element, wanted: str, raw: Raw, name: str) -> Columns:
    sources = _segments(document.findall(".//src"), name)
    if "testsuite" in document.attrib:
        raw.left_out["test_suite"] += len(sources)
        return {"source": [], "target": []}
    references = [ref for ref in document.iter("ref") if ref.get("translator", "") == wanted]
    targets = _segments(references, name)
    numbers = sorted(sources)
    if lone := min(targets.keys() - sources.keys(), default=None):
        raise UserError(f"{name}: segment {lone} of reference {wanted!r} has no source")
    return {
        "source": [sources[number] for number in numbers],
        "target": [targets.get(number, "") for number in numbers],
    }


def _segments(parents: list[ElementTree.Element], name: str) -> dict[int, str]:
    segments: dict[int, str] = {}
    for segment in (segment for parent in parents for segment in parent.iter("seg")):
        try:
            number = int(segment.attrib["id"])
        except (KeyError, ValueError):
            raise UserError(f"{name}: a segment has no number as its id") from None
        if number in segments:
            raise UserError(f"{name}: a document has two segments of number {number}")
        segments[number] = " ".join((segment.text or "").split())
    return segments
