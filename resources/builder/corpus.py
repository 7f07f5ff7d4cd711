"""Puts all members together."""

from collections import Counter, defaultdict
from pathlib import Path

from .packages import HELP_LANGUAGES
from .pages import parse_handbook, parse_libreoffice, parse_mallard, read_pages
from .pairs import align
from .pretraining import PretrainingText
from .records import Record
from .roles import assign_roles
from .site import SPLITS, Pages, Site
from .summaries import SummaryBuilder
from .translation import translation, zero_shot

TRANSLATION_TARGETS = ("de", "zh")
ZERO_SHOT = {"de": ("fr", "zh", "hi", "tr", "pl"), "zh": ("fr", "de", "hi", "tr", "pl")}
PRETRAINING = ("en", "de", "zh")
GNOME_LANGUAGES = {"en": "C", "de": "de", "zh": "zh_CN"}
HANDBOOK_LANGUAGES = {"en": "en-US", "de": "de-DE", "zh": "zh-CN"}

Members = dict[str, list[Record]]
Drops = dict[str, Counter[str]]


def read_help(root: Path) -> Pages:
    """LibreOffice's help below `root` (the unpacked packages): language -> name -> page."""
    pages = {}
    for language, (_, folder) in HELP_LANGUAGES.items():
        text = root / "usr/share/libreoffice/help" / folder / "text"
        pages[language] = read_pages(text, "**/*.html", parse_libreoffice, "libreoffice")
    return pages


def read_other_text(root: Path) -> Pages:
    """GNOME's help and the Debian handbook: language -> name -> page."""
    pages: Pages = {}
    for language in PRETRAINING:
        gnome = root / "usr/share/help" / GNOME_LANGUAGES[language]
        html = root / "usr/share/doc/debian-handbook/html" / HANDBOOK_LANGUAGES[language]
        pages[language] = {
            **read_pages(gnome, "*/*.page", parse_mallard, "gnome"),
            **read_pages(html, "*.html", parse_handbook, "handbook"),
        }
    return pages


def page_roles(pages: Pages) -> dict[str, str]:
    """The role of every page of LibreOffice's help."""
    hindi = {
        name: len(align(page, pages["hi"].get(name), "hi", Counter()))
        for name, page in pages["en"].items()
    }
    return assign_roles(hindi)


def build_members(site: Site, other_text: Pages) -> tuple[Members, Drops]:
    """The records of every member, and what was dropped from each and why."""
    members: Members = {}
    drops: Drops = defaultdict(Counter)
    for target in TRANSLATION_TARGETS:
        for split in SPLITS:
            name = f"help-en-{target}/{split}"
            members[name] = translation(site, target, split, drops[name])
    for target, sources in ZERO_SHOT.items():
        for source in sources:
            name = f"zero-shot/{source}-{target}"
            members[name] = zero_shot(site, source, target, drops[name])
    summaries = SummaryBuilder(site)
    for split in reversed(SPLITS):
        name = f"help-summaries/{split}"
        members[name] = summaries.build(split, drops[name])
    for language in PRETRAINING:
        _add_pretraining(members, drops, site, other_text, language)
    return members, drops


def _add_pretraining(
    members: Members, drops: Drops, site: Site, other_text: Pages, language: str
) -> None:
    builder = PretrainingText(site, language)
    own = f"pretraining/{language}.libreoffice"
    pages = site.with_role(language, "pretrain")
    members[own] = builder.build(pages, site.pages["en"], drops[own])
    other = f"pretraining/{language}.gnome-handbook"
    pages = iter(other_text[language].values())
    members[other] = builder.build(pages, other_text["en"], drops[other])
