"""Which language an output is in."""

import pytest

from finescale.metrics.languages import description, identify, in_wrong_language
from finescale.tokens.languages import LANGUAGE_NAMES

SENTENCES = {
    "de": "Klicken Sie auf Öffnen.",
    "en": "Click the button to open the file.",
    "es": "Haga clic en el botón para abrir el archivo.",
    "fr": "Cliquez sur le bouton pour ouvrir le fichier.",
    "hi": "फ़ाइल खोलने के लिए बटन पर क्लिक करें।",
    "pl": "Kliknij przycisk, aby otworzyć plik.",
    "tr": "Dosyayı açmak için düğmeye tıklayın.",
    "zh": "单击按钮打开文件。",
}


def test_every_language_that_prompts_name_is_told_from_the_others():
    assert {language: identify(text) for language, text in SENTENCES.items()} == {
        language: language for language in LANGUAGE_NAMES
    }


@pytest.mark.parametrize("text", ["", " \n", "42", "1.234,5 %", "…", "ⵣ"])
def test_a_text_without_words_has_no_language(text):
    assert identify(text) is None


def test_only_another_language_is_a_wrong_one():
    texts = [SENTENCES["de"], SENTENCES["fr"], "", "42", SENTENCES["zh"]]
    assert in_wrong_language(texts, ["de", "de", "de", "de", "en"]).tolist() == [0, 1, 0, 0, 1]


def test_the_record_names_the_identifier():
    assert description() == {
        "identifier": "py3langid 0.4.0",
        "languages": ["de", "en", "es", "fr", "hi", "pl", "tr", "zh"],
    }
