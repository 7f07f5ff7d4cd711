"""The members of the summarization task."""

from collections import Counter

from .leakage import is_long
from .pairs import normalise
from .records import Record, example
from .site import Site
from .summary import Summary, summarise

LANGUAGES = ("en", "de", "es", "fr")
OPENING = 120  # characters; documents that begin alike are near-duplicates


class SummaryBuilder:
    """Builds the splits one after another; none repeats a lead or an opening of an earlier one.

    Build test first, then dev, then train, so that repetitions are taken from training.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self._leads: set[str] = set()
        self._openings: set[str] = set()

    def build(self, split: str, drops: Counter[str]) -> list[Record]:
        """The examples of `split`: every page in every language that gives a summary."""
        kept = []
        for page in self.site.with_role("en", split):
            for language in LANGUAGES:
                summary = self._summarise(page.name, language, split)
                if isinstance(summary, str):
                    drops[summary] += 1
                elif self._is_new(summary):
                    kept.append(summary)
                else:
                    drops["repeats another page"] += 1
        return [_example(summary) for summary in kept]

    def _summarise(self, name: str, language: str, split: str) -> Summary | str:
        page = self.site.pages[language].get(name)
        if page is None:
            return "no such page"
        held_out = self.site.held_out[split]
        english = set()
        if language != "en":
            english = {block.text for block in self.site.pages["en"][name].blocks}
        return summarise(
            page, language, english, lambda text: is_long(text) and held_out.has(text, language)
        )

    def _is_new(self, summary: Summary) -> bool:
        lead, opening = normalise(summary.lead), normalise(summary.document[:OPENING])
        is_new = lead not in self._leads and opening not in self._openings
        self._leads.add(lead)
        self._openings.add(opening)
        return is_new


def _example(summary: Summary) -> Record:
    return example(
        f"{summary.page}#summary.{summary.language}",
        summary.document,
        summary.lead,
        summary.language,
        summary.language,
    )
