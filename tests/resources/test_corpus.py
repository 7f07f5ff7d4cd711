"""Checks the committed corpus, with computations that share nothing with its builder."""

import hashlib
import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RESOURCES = ROOT / "resources"
MEGABYTE = 1_000_000
SPLITS = ("train", "dev", "test")
TASKS = ("help-en-de", "help-en-zh", "help-summaries")
ZERO_SHOT = [f"{s}-de" for s in ("fr", "zh", "hi", "tr", "pl")]
ZERO_SHOT += [f"{s}-zh" for s in ("fr", "de", "hi", "tr", "pl")]
PRETRAINING = [
    f"{lang}.{g}" for lang in ("en", "de", "zh") for g in ("libreoffice", "gnome-handbook")
]
EXPECTED = (
    {f"{task}/{split}.jsonl" for task in TASKS for split in SPLITS}
    | {f"zero-shot/{pair}.jsonl" for pair in ZERO_SHOT}
    | {f"pretraining/{name}.jsonl" for name in PRETRAINING}
)


@pytest.fixture(scope="session")
def report():
    return json.loads((RESOURCES / "corpus.json").read_text())


def pin(data):
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def simplify(text):
    """Letters and digits alone, in one case, every digit a 0."""
    folded = "".join("0" if c.isdigit() else c for c in text.casefold())
    return "".join(c for c in folded if c.isalnum())


def is_long(text):
    """Three words, or for Chinese three characters: shorter texts may be on any page."""
    return len(re.findall(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+", text)) >= 3


def page(record):
    return record["id"].split("#")[0]


def lines(record):
    return record["text"].split("\n") if "text" in record else record["source"].split("\n")


# The files


def test_the_archive_holds_exactly_the_expected_members(contents):
    assert list(contents) == sorted(EXPECTED)


def test_resources_stay_small():
    files = [p for p in RESOURCES.rglob("*") if p.is_file() and p.suffix != ".pyc"]
    assert sum(p.stat().st_size for p in files) <= 6 * MEGABYTE


def test_report_describes_the_archive(contents, members, report):
    assert report["archive"] == pin((RESOURCES / "corpus.tar.xz").read_bytes())
    assert list(report["members"]) == list(contents)
    for name, described in report["members"].items():
        assert {key: described[key] for key in ("sha256", "size")} == pin(contents[name])
        assert described["records"] == len(members[name])
        assert ("CC-BY-SA" in described["licence"]) == ("gnome-handbook" in name)


def test_report_counts_words(members, report):
    for name in ("help-en-de/train.jsonl", "help-summaries/test.jsonl"):
        for field in ("source", "target"):
            count = sum(len(record[field].split()) for record in members[name])
            assert report["members"][name]["words"][field] == count


def test_list_of_sources_pins_the_archive_and_its_members(contents):
    entry = yaml.safe_load((ROOT / "config/sources.yaml").read_text())["help-corpus"]
    archive = ROOT / entry["path"]
    assert {key: entry[key] for key in ("sha256", "size")} == pin(archive.read_bytes())
    assert entry["members"] == {
        name: pin(data) | {"records": data.count(b"\n")} for name, data in contents.items()
    }


def test_licences_and_credits_lie_beside_the_archive(report):
    notice = (RESOURCES / "NOTICE").read_text()
    texts = {path.stem: path.read_text() for path in (RESOURCES / "LICENSES").iterdir()}
    assert "Mozilla Public License Version 2.0" in texts["MPL-2.0"]
    assert "Attribution-ShareAlike 3.0 Unported" in texts["CC-BY-SA-3.0"]
    for package in report["packages"]:
        assert package["version"] in notice
    assert {m["licence"] for m in report["members"].values()} <= set(texts)


# The records


def test_records_are_well_formed(contents, members):
    for name, records in members.items():
        task = name.split("/")[0]
        fields = {"id", "source", "target", "source_language", "target_language"}
        fields = {"id", "text"} if task == "pretraining" else fields
        for record in records:
            assert set(record) == fields
            assert all(
                type(value) is str and value == value.strip() != "" for value in record.values()
            )
        assert len({record["id"] for record in records}) == len(records) > 0
        again = "".join(json.dumps(r, ensure_ascii=False, sort_keys=True) + "\n" for r in records)
        assert again.encode() == contents[name]


def test_languages_are_what_the_names_say(members):
    for name in EXPECTED:
        task, rest = name.removesuffix(".jsonl").split("/")
        found = {
            (r["source_language"], r["target_language"]) for r in members[name] if "source" in r
        }
        if task == "zero-shot":
            assert found == {tuple(rest.split("-"))}
        elif task == "help-summaries":
            assert found == {(code, code) for code in ("en", "de", "es", "fr")}
        elif task != "pretraining":
            assert found == {("en", task[-2:])}


def texts_by_language(members):
    for name, records in members.items():
        for record in records:
            if "text" in record:
                yield name, name.split("/")[1][:2], record["text"]
            else:
                yield name, record["source_language"], record["source"]
                yield name, record["target_language"], record["target"]


def test_every_text_is_in_the_script_of_its_language(members):
    scripts = {"zh": r"[\u3400-\u9fff]", "hi": r"[\u0900-\u097f]"}
    for _, language, text in texts_by_language(members):
        if language in scripts:
            assert len(re.findall(scripts[language], text)) >= 2
            letters = re.findall(r"[^\W\d_]|[\u0900-\u097f]", text)
            assert len(re.findall(scripts[language], text)) >= 0.3 * len(letters)
        elif len(text) < 600:
            assert len(re.findall("|".join(scripts.values()), text)) <= 2


def test_little_english_is_left_in_other_languages(members):
    totals, english = Counter(), Counter()
    for name, language, text in texts_by_language(members):
        words = re.findall(r"[^\W\d_]+", text.casefold())
        totals[name, language] += len(words)
        english[name, language] += sum(word in {"the", "this", "which", "and"} for word in words)
    for (name, language), total in totals.items():
        share = english[name, language] / total
        assert (share > 0.04) if language == "en" else (share < 0.004), (name, language)


def test_pools_are_large_enough_for_the_demo(members):
    size = {name: len(records) for name, records in members.items()}
    assert size["help-en-de/train.jsonl"] >= 6_000
    assert size["help-en-zh/train.jsonl"] >= 5_000
    assert size["help-summaries/train.jsonl"] >= 2_000
    assert min(size[f"{task}/test.jsonl"] for task in TASKS) >= 500
    assert min(size[f"zero-shot/{pair}.jsonl"] for pair in ZERO_SHOT) >= 1_000


# What may meet what


def role_of(name):
    task, split = name.removesuffix(".jsonl").split("/")
    return {"pretraining": "pretrain", "zero-shot": "test"}.get(task, split)


def test_every_page_has_one_role(members):
    pages = {role: set() for role in ("pretrain", *SPLITS)}
    for name, records in members.items():
        pages[role_of(name)] |= {page(record) for record in records}
    for first, second in combinations(pages.values(), 2):
        assert first and second and not first & second


@pytest.fixture(scope="session")
def held_out(members):
    """Per held-out split its longer texts, simplified: sources, targets, leads, document lines."""
    found = {"dev": set(), "test": set()}
    for name, records in members.items():
        if role_of(name) in found:
            for record in records:
                texts = [record["target"], *lines(record)]
                found[role_of(name)] |= {simplify(text) for text in texts if is_long(text)}
    return found


def test_no_held_out_text_is_trained_on(members, held_out):
    checked = 0
    for name, records in members.items():
        role = role_of(name)
        forbidden = held_out["test"] if role != "test" else set()
        forbidden = forbidden | held_out["dev"] if role in {"train", "pretrain"} else forbidden
        for record in records if forbidden else ():
            for text in [*lines(record), record.get("target", "")]:
                checked += 1
                assert not (is_long(text) and simplify(text) in forbidden), (
                    name,
                    record["id"],
                    text,
                )
    assert checked > 50_000


def test_no_finetuning_text_is_pretrained_on(members):
    finetuning = {
        simplify(text)
        for name, records in members.items()
        if role_of(name) == "train"
        for record in records
        for text in (record["target"], *lines(record))
        if is_long(text)
    }
    for name in (n for n in members if role_of(n) == "pretrain"):
        texts = [text for record in members[name] for text in lines(record)]
        assert not [text for text in texts if is_long(text) and simplify(text) in finetuning]


def grams(text, language):
    if language == "zh":
        letters = simplify(text)
        return {letters[i : i + 8] for i in range(len(letters) - 7)}
    words = re.findall(r"\w+", re.sub(r"\d", "0", text.casefold()))
    return set(zip(*(words[i:] for i in range(5)), strict=False))


@pytest.mark.parametrize("target", ["de", "zh"])
def test_training_pairs_do_not_nearly_repeat_test_pairs(members, target):
    for field, language in (("source", "en"), ("target", target)):
        test = [record[field] for record in members[f"help-en-{target}/test.jsonl"]]
        seen = set().union(*(grams(text, language) for text in test))
        for split in ("train", "dev"):
            for record in members[f"help-en-{target}/{split}.jsonl"]:
                own = grams(record[field], language)
                assert len(own & seen) < 0.7 * len(own) or not own, record["id"]


def test_no_two_splits_share_a_summary_or_an_opening(members):
    for first, second in combinations(SPLITS, 2):
        one, two = (members[f"help-summaries/{split}.jsonl"] for split in (first, second))
        assert not {simplify(r["target"]) for r in one} & {simplify(r["target"]) for r in two}
        assert not {r["source"][:120] for r in one} & {r["source"][:120] for r in two}


def test_zero_shot_sides_are_translations_of_the_same_block(members):
    targets = {
        code: {r["id"]: r["target"] for r in members[f"help-en-{code}/test.jsonl"]}
        for code in ("de", "zh")
    }
    for pair in ZERO_SHOT:
        for record in members[f"zero-shot/{pair}.jsonl"]:
            assert targets[pair[-2:]][record["id"]] == record["target"] != record["source"]


def test_readme_states_the_counts_of_the_report(report):
    readme = (RESOURCES / "README.md").read_text()
    count = {name: f"{member['records']:,}" for name, member in report["members"].items()}
    for task in TASKS:
        row = next(line for line in readme.splitlines() if line.startswith(f"| `{task}` |"))
        assert row.split(" | ")[2:5] == [count[f"{task}/{split}.jsonl"] for split in SPLITS]
    for pair in ZERO_SHOT:
        source, target = pair.split("-")
        row = next(line for line in readme.splitlines() if line.startswith(f"| to `{target}` |"))
        assert f" {source} {count[f'zero-shot/{pair}.jsonl']} " in row
    for role, pages in report["libreoffice_pages"].items():
        assert re.search(rf"{role}\s+\({pages:,}(?: pages)?\)", readme)
