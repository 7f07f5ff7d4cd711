"""The members of the translation tasks and of the zero-shot tests."""

from collections import Counter

from .pairs import Segment, align, normalise
from .records import Record, example
from .site import Site

MAX_MEANINGS = 2  # English texts that one text may translate


def clean_pairs(site: Site, language: str, split: str, drops: Counter[str]) -> list[Segment]:
    """Clean English-`language` pairs of the pages of `split`, without repetitions.

    A text that stands for several English ones translates none of them: most such texts are
    stale, one old message for a family of newer ones.
    """
    kept: dict[tuple[str, str], Segment] = {}
    for page in site.with_role("en", split):
        for segment in align(page, site.pages[language].get(page.name), language, drops):
            key = (normalise(segment.english), normalise(segment.other))
            drops["duplicate"] += key in kept
            kept.setdefault(key, segment)
    meanings = Counter(other for _, other in kept)
    clean = [s for (_, other), s in kept.items() if meanings[other] <= MAX_MEANINGS]
    drops["one text for several"] += len(kept) - len(clean)
    return clean


def translation(site: Site, target: str, split: str, drops: Counter[str]) -> list[Record]:
    """Examples from English into `target`, none of them known from a split held out from it."""
    held_out = site.held_out[split]
    records = []
    for segment in clean_pairs(site, target, split, drops):
        if held_out.has(segment.english, "en") or held_out.has(segment.other, target):
            drops["held-out text"] += 1
        else:
            records.append(_example(segment, segment.english, "en", target))
    return records


def zero_shot(site: Site, source: str, target: str, drops: Counter[str]) -> list[Record]:
    """Test examples whose two sides are both clean translations of the same English block."""
    sources = {(s.page, s.key): s.other for s in clean_pairs(site, source, "test", Counter())}
    records = []
    for segment in clean_pairs(site, target, "test", Counter()):
        text = sources.get((segment.page, segment.key))
        if text is None:
            drops[f"no clean {source} text"] += 1
        elif normalise(text) == normalise(segment.other):
            drops["same text in both languages"] += 1
        else:
            records.append(_example(segment, text, source, target))
    return records


def _example(segment: Segment, source: str, source_language: str, target: str) -> Record:
    identifier = f"{segment.page}#{segment.key}"
    return example(identifier, source, segment.other, source_language, target)
