"""How texts are compared, and what their words are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.cards.words import SIMPLE_WORD, WORD, compared


@pytest.mark.parametrize(
    ("text", "normal", "words"),
    [
        ("Click  the\tButton 27!", "click the button 00!", "click the button 00"),
        ("STRASSE and Straße", "strasse and strasse", "strasse and strasse"),
        ("don't_stop", "don't_stop", "don t stop"),
        ("打开 File 3。", "打开 file 0。", "打 开 file 0"),
        ("カタカナとひらがな", "カタカナとひらがな", "カ タ カ ナ と ひ ら が な"),
        ("फ़ाइल खुलती है।", "फ़ाइल खुलती है।", "फ़ाइल खुलती है"),
        ("e\u0301te\u0301 ١٢", "e\u0301te\u0301 00", "e\u0301te\u0301 00"),
        (" \u2028\u00a0 ", "", ""),
    ],
)
def test_a_text_is_folded_and_split_into_words(text, normal, words):
    assert compared(text) == (normal, words.split())


@given(st.text(st.characters(max_codepoint=0x2FF)))
def test_the_simple_rule_for_words_is_the_same_where_it_is_used(text):
    assert SIMPLE_WORD.findall(text) == WORD.findall(text)


@given(st.text())
def test_what_was_normalised_stays_so(text):
    once = compared(text)
    assert compared(once.normal).words == once.words
