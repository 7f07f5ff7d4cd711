"""The data cards on the page."""

import re

from finescale.report import render
from finescale.report.cards import card_tables


def section(page: str) -> str:
    found = re.search(r'<section id="data">(.*?)</section>', page, re.S)
    return found[1] if found else ""


def test_a_card_says_how_much_training_holds_first(made_up):
    found = section(render(made_up.study()))
    said = "Of the 4 examples of test news, training holds the target of 1 (25.0%)."
    assert f"<li>{said}</li>" in found
    assert found.index(said) < found.index("<table")
    assert "results/small/data/help.md" in found
    assert "To &lt;b&gt;learn&lt;/b&gt; from" in found


def test_tables_of_a_card_have_what_it_has(made_up):
    tables = {each.title: each.table for each in card_tables(made_up.card())}
    assert list(tables) == ["Overlap", "Examples", "Lengths", "Raw files and licences"]
    overlap = tables["Overlap"]
    assert overlap.headings[:4] == ("Set", "Held by", "Examples", "Pair %")
    assert "Target nearly %" not in overlap.headings  # no target is long
    assert overlap.numeric == (False, False, True, True, True, True, True)
    assert [cell.text for cell in overlap.rows[1]] == [
        "test news",
        "train",
        "4",
        "0",
        "0",
        "25.0",
        "0",
    ]
    lengths = tables["Lengths"]
    assert [cell.text for cell in lengths.rows[0]][-2:] == ["10.0 / 9 / 20 / 21", "2"]
    raw = tables["Raw files and licences"]
    assert [cell.text for cell in raw.rows[0]][1:] == [
        "corpus:a.jsonl",
        "1.23 kB",
        "yes",
        "MPL-2.0",
    ]


def test_every_task_has_its_card_in_the_contents(made_up):
    page = render(made_up.study(cards=[made_up.card("one"), made_up.card("two")]))
    for task in ("one", "two"):
        assert f'<a href="#data-{task}">{task.title()}</a>' in page
        assert f'<article id="data-{task}">' in page


def test_without_cards_there_is_no_section(made_up):
    page = render(made_up.study(cards=[]))
    assert section(page) == "" and "#data" not in page


def test_a_preview_names_no_file_that_it_did_not_make(made_up):
    found = section(render(made_up.study(stamp="preview: 3 of 5 runs")))
    assert "training holds" in found and "results/" not in found
