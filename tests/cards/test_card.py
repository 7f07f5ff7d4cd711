"""The card of a task, made by its program from artifacts, and what people read of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.cards import rows
from finescale.cards.markdown import markdown

LONG = "a b c d e f g h i j"
TRAIN = [("Open it", "Öffnen"), ("Open it", "Öffnen"), (LONG, "x y z u v w"), ("Page 1", "Seite 1")]
DEV = [("page 2", "seite 2"), ("New", "Neu")]
TEST = {"help": [("Open it", "öffnen"), ("New", "neu"), (f"{LONG} k l", "Öffnen")]}
ZERO = {"fr-de": [("Ouvrir", "Öffnen"), ("Rien", "Nichts")]}


def by_name(card):
    return {rows.title_of(one): one for one in card["sets"]}


def test_everything_is_on_the_card(make_card):
    card, page = make_card(TRAIN, DEV, test=TEST, zero_shot=ZERO)
    sets = by_name(card)
    assert list(sets) == ["train", "dev", "test help", "zero-shot fr-de"]
    assert (card["task"], card["title"], card["template"]) == ("help", "Help <1>", "{source}")
    assert card["most_tokens"] == {"source": 3, "target": 4}
    train = sets["train"]
    assert (train["examples"], train["repeated"], train["overlap"]) == (4, 1, {})
    assert train["source"]["tokens"] == {"total": 9, "mean": 2.25, "median": 2, "p95": 3, "max": 3}
    assert (train["source"]["cut"], train["target"]["cut"]) == (1, 1)
    assert "tokens" not in sets["zero-shot fr-de"]["source"]
    assert [one["cleaning"] for one in card["sets"]] == [None] * 4
    assert "## Cleaning" not in page
    assert "Help \\<1\\>" in page and "to learn \\| from" in page


def test_overlap_with_training_and_with_dev(make_card):
    card, page = make_card(TRAIN, DEV, test=TEST, zero_shot=ZERO)
    sets = by_name(card)
    assert sets["dev"]["overlap"].keys() == {"train"}
    assert sets["dev"]["overlap"]["train"]["pair"] == 1  # but for the digit
    found = sets["test help"]["overlap"]
    assert found["train"] == {
        **{"examples": 3, "source": 1, "target": 2, "pair": 1},
        **{"long_source": 1, "near_source": 0, "long_target": 0, "near_target": 0},
    }
    assert (found["dev"]["pair"], found["dev"]["source"], found["dev"]["target"]) == (1, 1, 1)
    assert sets["zero-shot fr-de"]["overlap"]["train"]["target"] == 1
    assert (
        "- Of the 3 examples of test help, training holds 1 (33.3%) whole, the source of "
        "1 (33.3%) and the target of 2 (66.7%)." in page
    )


def test_without_overlap_and_without_zero_shot_sets(make_card):
    card, page = make_card(TRAIN, DEV, test={"one": [("Nothing", "Nichts")]})
    assert set(by_name(card)["test one"]["overlap"]["train"].values()) == {0, 1}
    assert "Training holds none of the 1 examples of test one, in part or nearly either." in page


def test_near_repetitions_are_shares_of_long_texts(make_card):
    test = {"one": [(f"{LONG} k", "x"), ("short", "x")]}
    card, page = make_card(TRAIN, DEV, test=test)
    assert "training holds nearly the source of 1 (100.0% of the 1 long ones)." in page
    (row,) = [
        row for row in rows.overlap_rows(card) if row["held by"] == "train" and "one" in row["set"]
    ]
    assert (row["source nearly %"], row["target nearly %"], row["pair %"]) == (100, None, 0)


def test_what_cleaning_dropped_is_shown(make_card):
    stats = {"train": {"read": 6, "kept": 4, "empty": 2}, "dev": {"read": 3, "kept": 2, "long": 1}}
    card, page = make_card(TRAIN, DEV, stats=stats, test=TEST)
    assert by_name(card)["train"]["cleaning"] == stats["train"]
    assert "| set | read | kept | empty | long |" in page
    assert "| dev | 3 | 2 | – | 1 |" in page


def test_the_same_card_again(make_card):
    first, second = (make_card(TRAIN, DEV, test=TEST) for _ in range(2))
    assert first == second


def test_languages_have_shares_where_there_are_several():
    pairs = [("de", "de", 1), ("en", "en", 3)]
    languages = [{"source": s, "target": t, "examples": n} for s, t, n in pairs]
    assert rows.languages_of({"languages": languages, "examples": 4}) == "de-de 25%, en-en 75%"
    assert rows.languages_of({"languages": languages[:1], "examples": 1}) == "de-de"


@pytest.mark.parametrize(
    ("part", "whole", "share"),
    [(0, 5, 0), (1, 3, 33.33), (5, 5, 100), (1, 25_000_000, 4e-06), (0, 0, None)],
)
def test_a_share_is_nothing_only_if_it_is(part, whole, share):
    assert rows.percent(part, whole) == share


@given(st.text(min_size=1))
def test_no_text_breaks_out_of_its_place(made_once, text):
    card = json.loads(json.dumps(made_once))
    card["title"] = card["sets"][0]["samples"][0]["source"] = text
    card["sets"][0]["raw"][0]["licence"] = text or "-"
    lines = markdown(card).splitlines()
    plain = markdown(made_once).splitlines()
    assert len(lines) == len(plain)
    assert [line[:2] for line in lines] == [line[:2] for line in plain]


@pytest.fixture(scope="module")
def made_once():
    """A small card, by hand."""
    lengths = {"total": 2, "mean": 2.0, "median": 2, "p95": 2, "max": 2}
    end = {"characters": lengths, "words": lengths}
    sample = dict.fromkeys(("id", "source", "target", "source_language", "target_language"), "x")
    raw = {"name": "a", "size": None, "licence": "y", "purpose": "", "pinned": True, "records": 1}
    one = {
        **{"name": "train", "kind": "train", "raw": [raw], "examples": 1, "repeated": 0},
        **{"languages": [{"source": "en", "target": "de", "examples": 1}]},
        **{"source": end, "target": end, "cleaning": None, "overlap": {}, "samples": [sample]},
    }
    return {
        **{"task": "help", "title": "z", "template": "{source}", "sets": [one]},
        **{"most_tokens": {"source": 3, "target": 4}, "overlap_rule": {"ngram": 8, "near": 0.7}},
    }
