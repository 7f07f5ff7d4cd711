"""The help pages in all languages, with their roles and an index of what is held out."""

from collections.abc import Iterator

from .leakage import SeenText, is_long
from .pages import Page
from .summary import first_sentence

Pages = dict[str, dict[str, Page]]  # language -> page name -> page
SPLITS = ("train", "dev", "test")
HELD_OUT_FROM = {"train": ("dev", "test"), "dev": ("test",), "test": ()}


def long_texts(page: Page) -> list[str]:
    """The blocks of `page` that are long enough to compare, and the first sentence of each."""
    texts = [block.text for block in page.blocks if is_long(block.text)]
    return texts + [first_sentence(text) for text in texts]


class Site:
    """LibreOffice's help: pages by language and name; a role for each page name."""

    def __init__(self, pages: Pages, roles: dict[str, str]) -> None:
        self.pages, self.roles = pages, roles
        self.held_out = {split: self.index(HELD_OUT_FROM[split], tuple(pages)) for split in SPLITS}

    def with_role(self, language: str, *roles: str) -> Iterator[Page]:
        """The pages in `language` that have one of `roles`."""
        return (p for name, p in self.pages[language].items() if self.roles[name] in roles)

    def index(self, roles: tuple[str, ...], languages: tuple[str, ...]) -> SeenText:
        """All longer texts in `languages` of the pages that have one of `roles`."""
        seen = SeenText()
        for language in languages:
            for page in self.with_role(language, *roles):
                seen.add(long_texts(page), language)
        return seen
