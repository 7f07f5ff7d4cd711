"""What the config and the sources make of the recipes of the data stages."""

from pathlib import Path

import pytest
import yaml

from finescale.errors import UserError
from finescale.study.data import UNPINNED
from finescale.study.files import SCHEMA, plan_file
from tests.study.plans import of_stage

ROOT = Path(__file__).parents[2]
TSV = {"format": "tsv", "columns": {"source": 0, "target": 1}, "language": "en"}
OWN = {
    "mine": {"path": "data/mine.tsv", "sha256": "1" * 64, "reading": TSV},
    "later": {"url": "https://example.org/later.tsv", "reading": TSV},
    "web": {
        "url": "https://example.org/{shard}.gz",
        "shards": 4,
        "reading": {"format": "jsonl", "columns": {"text": "text"}},
    },
}


@pytest.fixture
def smoke(tmp_path: Path):
    """A checkout whose smoke study can be changed, with sources of its user."""
    for name in ("config/sources.yaml", str(SCHEMA)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "config/own.sources.yaml").write_text(yaml.safe_dump(OWN))
    config = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())

    def plan():
        (tmp_path / "config/smoke.yaml").write_text(yaml.safe_dump(config))
        return plan_file(tmp_path / "config/smoke.yaml", tmp_path)

    return config, plan


def recipe(planned, stage: str, label: str):
    found = (item for item in of_stage(planned, stage) if planned.labels[item] == label)
    return planned.recipes[next(found)]


def test_typed_records_need_no_reading(smoke):
    _, plan = smoke
    corpora = of_stage(plan(), "corpus").values()
    assert all(
        split["format"] == "records" and not split.keys() & {"readings", "cleaning", "shards"}
        for corpus in corpora
        for split in corpus.parameters["splits"].values()
    )


def test_the_reading_of_each_raw_file_is_in_the_recipe(smoke):
    config, plan = smoke
    task = config["tasks"]["help-en-de"]
    task["train"]["raw"].append("mine")
    task["train"]["cleaning"] = {"duplicates": True}
    corpus = recipe(plan(), "corpus", "help-en-de train+dev")
    assert corpus.parameters["splits"]["train"] == {
        "readings": [{"format": "records"}, TSV],
        "cleaning": {"duplicates": True},
    }
    assert corpus.parameters["splits"]["dev"] == {"format": "records"}
    assert len(corpus.inputs["train"]) == 2


def test_another_reading_is_another_corpus(smoke, tmp_path):
    config, plan = smoke
    config["tasks"]["help-en-de"]["train"]["raw"].append("mine")
    before = recipe(plan(), "corpus", "help-en-de train+dev")
    turned = {**TSV, "columns": {"source": 1, "target": 0}}
    own = OWN | {"mine": OWN["mine"] | {"reading": turned}}
    (tmp_path / "config/own.sources.yaml").write_text(yaml.safe_dump(own))
    after = recipe(plan(), "corpus", "help-en-de train+dev")
    assert after.digest != before.digest
    assert after.inputs == before.inputs


def test_an_unpinned_file_is_planned_by_its_address(smoke):
    config, plan = smoke
    config["tasks"]["help-en-de"]["dev"]["raw"].append("later")
    source = recipe(plan(), "source", f"later{UNPINNED}")
    assert source.parameters["sha256"] is None
    assert source.parameters["url"] == "https://example.org/later.tsv"


def test_shards_stay_apart(smoke):
    config, plan = smoke
    config["text"]["de"] = {"raw": ["web:1-3"]}
    corpus = recipe(plan(), "corpus", "text de")
    assert corpus.parameters["splits"]["text"] == {
        "readings": [OWN["web"]["reading"]],
        "shards": True,
    }
    urls = [plan().recipes[item].parameters["url"] for item in corpus.inputs["text"]]
    assert urls == [f"https://example.org/{shard}.gz" for shard in (1, 2, 3)]


def test_a_mixture_is_in_the_recipe_of_the_stream_alone(smoke):
    config, plan = smoke
    before = plan()
    family = config["families"]["en-de"]
    family["mixture"] = {"shares": {"de": 0.25, "en": 0.75}, "tokens": 2.0e6}
    after = plan()
    stream = recipe(after, "tokens", "en-de pretraining stream")
    assert stream.parameters["languages"] == ["en", "de"]
    assert stream.parameters["shares"] == [0.75, 0.25]
    assert stream.parameters["tokens"] == 2_000_000
    assert (
        recipe(after, "tokenizer", "en-de").digest == recipe(before, "tokenizer", "en-de").digest
    )  # the tokenizer
    stream = recipe(before, "tokens", "en-de pretraining stream")
    assert not stream.parameters.keys() & {"shares", "tokens"}


def test_a_tokenizer_may_see_some_documents_only(smoke):
    config, plan = smoke
    assert "documents" not in recipe(plan(), "tokenizer", "en-de").parameters
    config["families"]["en-de"]["tokenizer"]["documents"] = 100
    assert recipe(plan(), "tokenizer", "en-de").parameters["documents"] == 100


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"en": 0.5, "de": 0.4}, "the shares sum to 0.9"),
        ({"en": 0.5, "fr": 0.5}, r"one share for each of \(en, de\)"),
        ({"en": 1.0}, r"one share for each of \(en, de\)"),
    ],
)
def test_shares_that_do_not_fit(smoke, shares, message):
    config, plan = smoke
    config["families"]["en-de"]["mixture"] = {"shares": shares}
    with pytest.raises(UserError, match=r"`families\.en-de\.mixture\.shares`: " + message):
        plan()


def test_a_range_of_shards_that_is_not_there(smoke):
    config, plan = smoke
    config["text"]["de"] = {"raw": ["web:1-4"]}
    with pytest.raises(UserError, match=r"`text\.de\.raw`: .*0-3"):
        plan()


def test_shards_and_a_file_that_is_read_otherwise(smoke):
    config, plan = smoke
    config["text"]["de"]["raw"].append("web:0-1")
    corpus = recipe(plan(), "corpus", "text de")
    web = OWN["web"]["reading"]
    assert corpus.parameters["splits"]["text"]["readings"] == [{"format": "records"}, web, web]


def test_documents_of_another_language_can_be_told(smoke):
    config, plan = smoke
    before = recipe(plan(), "corpus", "text de")
    config["text"]["de"] = {"raw": ["web"], "cleaning": {"language": True}}
    assert "languages" not in before.parameters["splits"]["text"]
    split = recipe(plan(), "corpus", "text de").parameters["splits"]["text"]
    assert split["languages"] == ["de", "de"]


def test_a_mixture_too_short_for_its_models(smoke):
    config, plan = smoke
    family = config["families"]["en-de"]
    family["mixture"] = {"shares": {"en": 0.5, "de": 0.5}, "tokens": family["pretraining_tokens"]}
    with pytest.raises(UserError, match=r"`families\.en-de\.mixture\.tokens`: .* is less than"):
        plan()
