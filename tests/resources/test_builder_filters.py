"""Exact small cases of the language checks, pair filters and leakage filter."""

from collections import Counter

import pytest
from builder.language import count_words, is_language
from builder.leakage import SeenText, is_long
from builder.pages import Block, Page
from builder.pairs import Segment, align, drop_reason, normalise
from builder.summary import first_sentence, summarise

SHOWN = "Opens the dialog in the current window."
GERMAN = "Öffnet den Dialog im aktuellen Fenster."


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Opens the dialog of the cell.", "en", True),
        ("Wählen Sie die Farbe der Zelle.", "en", False),
        ("Wählen Sie die Farbe der Zelle.", "de", True),
        ("Select the colour of the cell.", "de", False),
        ("Select the colour of the cell.", "fr", False),
        ("选择单元格的颜色。", "zh", True),
        ("Select the colour 色", "zh", False),
        ("选择单元格的颜色。", "de", False),
        ("कागज की दिशा आड़ी है.", "hi", True),
        ("LibreOffice Calc Menus और Keys", "hi", False),
        ("Datenbanktabelle", "de", True),
        ("=A1+B2", "zh", False),
    ],
)
def test_language_check(text, language, expected):
    assert is_language(text, language) is expected


def test_chinese_words_are_characters_and_latin_words():
    assert count_words("打开 Writer 7 文档。", "zh") == 6
    assert count_words("Öffnet das Fenster.", "de") == 3


@pytest.mark.parametrize(
    ("english", "other", "language", "reason"),
    [
        (SHOWN, GERMAN, "de", None),
        ("Open file.", "Öffnet eine Datei.", "de", "short"),
        ("Base.Table.Field x", "Basis.Tabelle.Feld x", "de", "short"),
        (SHOWN * 16, GERMAN * 16, "de", "long"),
        (SHOWN, GERMAN + " <br>", "de", "markup"),
        ("Type <?> plus into the window.", GERMAN, "de", "markup"),
        ("=SUM(1;2;3) =4 a b", "=SUMME(1;2;3) =4 a b", "de", "code"),
        ("Opens 3 files of the user.", "opens 4 files of the user", "de", "untranslated"),
        (SHOWN, "Öffnet the dialog in the current Fenster.", "de", "language"),
        (
            "Java Runtime Environment settings",
            "Java Runtime Environment Optionen",
            "de",
            "untranslated",
        ),
        (SHOWN, "Öffnet ihn.", "de", "length ratio"),
        (SHOWN, "在当前窗口中打开对话框。", "zh", None),
        (SHOWN, "打开。", "zh", "length ratio"),
    ],
)
def test_drop_reason(english, other, language, reason):
    assert drop_reason(english, other, language) == reason


def page(*blocks, name="p"):
    return Page(name, tuple(Block(*block) for block in blocks))


def test_align_pairs_blocks_by_key_and_counts_drops():
    english = page(("a", "paragraph", SHOWN), ("b", "heading", "Short"), ("c", "part", SHOWN))
    german = page(("c", "part", SHOWN), ("a", "paragraph", GERMAN), ("z", "part", GERMAN))
    drops = Counter()
    assert align(english, german, "de", drops) == [Segment("p", "a", SHOWN, GERMAN)]
    assert drops == {"not aligned": 1, "untranslated": 1}
    assert align(english, None, "de", drops) == []


def test_normalise_ignores_case_digits_and_punctuation():
    assert normalise("Page_12: Größe, auto-fill!") == normalise("page 34 GRÖSSE Autofill")
    assert normalise("选择 3。") == "选择0"


def test_long_texts_have_three_words_or_characters():
    assert is_long("Alt+Down Arrow") and is_long("选择行")
    assert not is_long("File menu") and not is_long("文件")


def test_seen_text_knows_equal_texts_in_any_language():
    seen = SeenText()
    seen.add(["Choose Insert - Cells 12."], "en")
    assert seen.has_equal("choose insert – cells 34")
    assert seen.has("choose insert – cells 34", "de")
    assert not seen.has("Choose Insert - Rows.", "en")


def test_seen_text_knows_near_texts_from_seventy_per_cent_of_the_ngrams():
    seen = SeenText()
    words = [chr(97 + i) * 3 for i in range(14)]
    seen.add([" ".join(words)], "en")  # 10 five-grams
    assert seen.has_near(" ".join([*words[:11], "new", "new", "new"]), "en")  # 7 of 10 are shared
    assert not seen.has_near(" ".join([*words[:10], "new", "new", "new", "new"]), "en")  # 6 of 10
    assert not seen.has_near(" ".join(words), "de")
    assert not seen.has_near("too few words", "en")


def test_chinese_is_compared_by_characters():
    seen = SeenText()
    seen.add(["输入段落与页边距之间的间距。"], "zh")
    assert seen.has_near("请输入段落与页边距之间的间距", "zh")
    assert not seen.has_near("请选择段落的对齐方式和缩进", "zh")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Opens a file. Then closes it.", "Opens a file."),
        ("Use a format, e.g. Bold, here. Done.", "Use a format, e.g. Bold, here."),
        ("Formate, z. B. Fett, gelten. Ende.", "Formate, z. B. Fett, gelten."),
        ("See version 7.4 of it", "See version 7.4 of it"),
        ("¿Qué es? Una tabla.", "¿Qué es?"),
    ],
)
def test_first_sentence(text, sentence):
    assert first_sentence(text) == sentence


BODY = "The dialog shows the names of all the files that you can open with this command. " * 3


def never(_):
    return False


def test_summary_takes_the_lead_out_of_its_page():
    lead = "Opens a dialog for the files."
    blocks = (
        ("t", "heading", "Open"),
        ("l", "paragraph", f"{lead} More of it."),
        ("b", "part", BODY),
    )
    summary = summarise(page(*blocks), "en", set(), never)
    assert summary.lead == lead
    assert summary.document == f"Open\nMore of it.\n{BODY}"


def test_summary_leaves_out_held_out_and_untranslated_lines():
    lead = "Öffnet den Dialog für die Dateien."
    german = "Der Dialog zeigt die Namen aller Dateien, die Sie mit dem Befehl öffnen können. " * 3
    blocks = [
        ("l", "paragraph", lead),
        ("b", "part", german),
        ("c", "part", SHOWN),
        ("d", "part", "x y z"),
    ]
    summary = summarise(page(*blocks), "de", {SHOWN}, lambda text: text == "x y z")
    assert summary.document == german


def test_summary_documents_end_after_a_whole_line_within_the_limit():
    line = "All the words of this line are of use to the reader of the help. " * 7
    blocks = [
        ("l", "paragraph", "Opens a dialog for the files."),
        *[(str(i), "part", line) for i in range(9)],
    ]
    summary = summarise(page(*blocks), "en", set(), never)
    assert summary.document == "\n".join([line] * 3) and len(summary.document) <= 1500


@pytest.mark.parametrize(
    ("blocks", "english", "reason"),
    [
        ([("a", "part", BODY)], set(), "no opening paragraph"),
        (
            [*[(c, "part", BODY) for c in "abc"], ("l", "paragraph", SHOWN)],
            set(),
            "no opening paragraph",
        ),
        (
            [("l", "paragraph", "Opens it."), ("b", "part", BODY)],
            set(),
            "lead too short or too long",
        ),
        ([("l", "paragraph", SHOWN[:-1]), ("b", "part", BODY)], set(), "lead is no sentence"),
        ([("l", "paragraph", SHOWN), ("b", "part", BODY)], {SHOWN}, "lead untranslated"),
        ([("l", "paragraph", GERMAN), ("b", "part", BODY)], set(), "lead untranslated"),
        ([("l", "paragraph", SHOWN), ("b", "part", SHOWN)], set(), "short document"),
    ],
)
def test_reasons_for_no_summary(blocks, english, reason):
    assert summarise(page(*blocks), "en", english, never) == reason


def test_a_held_out_lead_gives_no_summary():
    blocks = (("l", "paragraph", SHOWN), ("b", "part", BODY))
    assert summarise(page(*blocks), "en", set(), lambda t: t == SHOWN) == "lead of a held-out page"
