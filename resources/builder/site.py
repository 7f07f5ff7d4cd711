"""The help pages in all languages, with their roles and an index of what is held out."""

from collections.abc import Iterator

from .language import count_words
from .leakage import SeenText
from .pages import Page
from .summary import first_sentence

Pages = dict[str, dict[str, Page]]  # language -> page name -> page
SPLITS = ("train", "dev", "test")
HELD_OUT_FROM = {"train": ("dev", "test"), "dev": ("test",), "test": ()}
MIN_WORDS = 3  # shorter texts ("Syntax", "File menu") are on every page and are never compared


def long_texts(page: Page) -> list[str]:
    """The blocks of `page` with three words or more, and the first sentence of each."""
    texts = [b.text for b in page.blocks if count_words(b.text, "en") >= MIN_WORDS]
    return texts + [first_sentence(text) for text in texts]


class Site:
    """LibreOffice's help: pages by language and name; a role for each page name."""

    def __init__(self, pages: Pages, roles: dict[str, str]) -> None:
        self.pages, self.roles = pages, roles
        self.held_out = {split: self.index(HELD_OUT_FROM[split]) for split in SPLITS}

    def with_role(self, language: str, *roles: str) -> Iterator[Page]:
        """The pages in `language` that have one of `roles`."""
        return (p for name, p in self.pages[language].items() if self.roles[name] in roles)

    def index(self, roles: tuple[str, ...], languages: tuple[str, ...] = ()) -> SeenText:
        """All longer texts of the pages with `roles`, in `languages` (none given: in all)."""
        seen = SeenText()
        for language in languages or tuple(self.pages):
            for page in self.with_role(language, *roles):
                seen.add(long_texts(page), language)
        return seen
