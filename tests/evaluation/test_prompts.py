"""Prompts: finetuning's own format, and demonstrations whose structure survives any length."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.corpora import write_records
from finescale.errors import UserError
from finescale.evaluation.prompts import (
    FewShot,
    demonstrations,
    few_shot_prompts,
    finetuning_prompts,
    fit,
)
from finescale.tokens import ExampleFormat, encode_examples, open_examples
from finescale.training.loader import finetuning_row
from finescale.training.vocabulary import Vocabulary
from tests.evaluation.conftest import parallel, record

SUMMARIZE = "Summarize the following document in {language}: {source}"
FORM = FewShot(
    template="{source_language}: {source} \n {target_language}:",
    shots=2,
    seed=0,
    max_source_tokens=10**6,
    max_new_tokens=10**6,
    context=10**7,
)
POOL = parallel(9, seed=1)


def indexed(records):
    return dict(enumerate(records))


def one_prompt(test, pool, form, tokenizer):
    (prompt,) = few_shot_prompts({0: test}, pool, form, tokenizer)
    return prompt


@pytest.mark.parametrize("template", ["{source}", SUMMARIZE])
def test_without_demonstrations_a_prompt_is_what_finetuning_shows(tokenizer, tmp_path, template):
    records = [*parallel(4, seed=2), record(9, "x", "y"), record(10, "ü\n中 a" * 20, "y", "en-zh")]
    write_records(tmp_path / "test.jsonl", records)
    form = ExampleFormat(template, max_source_tokens=70, max_target_tokens=5)
    encode_examples({"test": tmp_path / "test.jsonl"}, tokenizer, form, tmp_path, tmp_path / "kept")
    sources = open_examples(tmp_path, "test").sources
    prompts = finetuning_prompts(records, form, tokenizer)
    nothing = np.array([], dtype=np.int32)
    for i, prompt in enumerate(prompts):
        row = finetuning_row(sources[i], nothing, Vocabulary.of(tokenizer))
        assert prompt.ids.tolist() == row.ids.tolist()
    whole = [len(ids) for ids in tokenizer.encode([form.apply(one) for one in records])]
    assert [prompt.cut_source for prompt in prompts] == [length > 70 for length in whole]
    assert {prompt.cut_source for prompt in prompts} == {True, False}


def test_a_source_that_just_fits_is_not_cut(tokenizer):
    test = record(0, "abc def ghi", "x")
    length = len(tokenizer.encode([test["source"]])[0])
    for most, cut in ((length, False), (length - 1, True)):
        (prompt,) = finetuning_prompts([test], ExampleFormat("{source}", most, 1), tokenizer)
        assert (prompt.cut_source, len(prompt.ids)) == (cut, most + 2)


def test_the_ids_are_those_of_the_whole_text(tokenizer):
    test = parallel(1, seed=3)[0]
    shown = demonstrations({0: test}, POOL, 2, FORM.seed)[0]
    text = "".join(f"English: {one['source']} \n German: {one['target']} \n " for one in shown)
    whole = tokenizer.encode([f"{text}English: {test['source']} \n German:"])[0]
    prompt = one_prompt(test, POOL, FORM, tokenizer)
    assert prompt.ids.tolist() == [tokenizer.bos, *whole]
    assert (prompt.cut_source, prompt.cut_demonstrations) == (False, False)


TEXTS = st.text(st.sampled_from("abcdefgh üß中文😀\n"), min_size=1, max_size=60).filter(str.strip)


@given(
    texts=st.lists(TEXTS, min_size=11, max_size=11),
    shots=st.integers(1, 5),
    spare=st.integers(0, 300),
    max_source_tokens=st.integers(1, 60),
    max_new_tokens=st.integers(1, 60),
)
def test_the_structure_survives_any_length(
    tokenizer, texts, shots, spare, max_source_tokens, max_new_tokens
):
    test = record(0, texts[0], "target")
    pool = [record(i, texts[i] + f" {i}", texts[i + 5]) for i in range(1, 6)]
    form = replace(
        FORM,
        shots=shots,
        max_source_tokens=max_source_tokens,
        max_new_tokens=max_new_tokens,
        context=max_new_tokens + 40 * (shots + 1) + spare,
    )
    prompt = one_prompt(test, pool, form, tokenizer)
    assert len(prompt.ids) <= form.context - max_new_tokens
    first, *lines = tokenizer.decode(prompt.ids).split("\n")
    lines = [first, *(line.removeprefix(" ") for line in lines)]
    shown = demonstrations({0: test}, pool, shots, FORM.seed)[0]
    expected = [text for one in shown for text in (one["source"], one["target"])]
    expected += [test["source"], ""]
    assert len(lines) == len(expected) == 2 * shots + 2
    kept = []
    for number, (line, text) in enumerate(zip(lines, expected, strict=True)):
        label = "German:" if number % 2 else "English:"
        assert line.startswith(label)
        words = " ".join(text.splitlines())
        written = line.removeprefix(label).removeprefix(" ")
        written = written.removesuffix(" ") if number < len(lines) - 1 else written
        assert words.startswith(written.rstrip("\ufffd"))  # half a character at a cut
        kept.append(written == words)
    assert prompt.cut_source == (not kept[-2])
    assert prompt.cut_demonstrations == (not all(kept[:-2]))


def test_a_prompt_at_the_context_limit_is_whole_and_one_token_less_cuts_one(tokenizer):
    test = record(0, " ".join(one["source"] for one in POOL[:3]), "x")  # the longest text
    whole = one_prompt(test, POOL, FORM, tokenizer)
    form = replace(FORM, max_new_tokens=100, context=100 + len(whole.ids))
    assert one_prompt(test, POOL, form, tokenizer).ids.tolist() == whole.ids.tolist()
    short = one_prompt(test, POOL, replace(form, context=form.context - 1), tokenizer)
    assert (len(short.ids), short.cut_source) == (len(whole.ids) - 1, True)
    assert not short.cut_demonstrations
    words = tokenizer.encode(["\n German:"])[0]
    source = len(tokenizer.encode([test["source"]])[0])
    start = len(whole.ids) - len(words) - source
    assert short.ids[: start + source - 1].tolist() == whole.ids[: start + source - 1].tolist()


LENGTHS = st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=5), min_size=1, max_size=3)


@given(groups=LENGTHS, room=st.integers(0, 400))
def test_fit_cuts_as_little_as_it_may_and_the_first_groups_first(groups, room):
    fitted = fit(groups, room)
    share, whole = room // sum(map(len, groups)), sum(map(sum, groups))
    assert sum(map(sum, fitted)) <= max(room, 0)
    if whole <= room:
        assert fitted == groups
    touched = [cut != group for cut, group in zip(fitted, groups, strict=True)]
    for number, (cut, group) in enumerate(zip(fitted, groups, strict=True)):
        level = max(cut)
        assert cut == [min(length, level) for length in group]
        assert cut == group or level >= share
        if any(touched[number + 1 :]):  # a later group gave way: nothing is left to take here
            assert level <= share
    if whole > room:
        assert sum(map(sum, fitted)) > room - sum(map(len, groups))


def test_fit_by_hand():
    assert fit([[10], [20, 20], [5, 5]], 60) == [[10], [20, 20], [5, 5]]
    assert fit([[30], [10, 10], [5, 5]], 50) == [[20], [10, 10], [5, 5]]
    assert fit([[30], [20, 10], [5, 5]], 40) == [[8], [12, 10], [5, 5]]
    assert fit([[30], [20, 20], [40, 5]], 20) == [[4], [4, 4], [4, 4]]


def test_demonstrations_are_a_function_of_the_seed_and_the_index():
    records = indexed(parallel(30, seed=4))
    drawn = demonstrations(records, POOL, 5, seed=1)
    assert demonstrations(records, POOL, 5, seed=1) == drawn
    assert demonstrations(records, POOL, 5, seed=2) != drawn
    assert demonstrations({17: records[17]}, POOL, 5, seed=1) == [drawn[17]]
    assert [five[:1] for five in drawn] == demonstrations(records, POOL, 1, seed=1)
    assert all(len({one["id"] for one in five}) == 5 for five in drawn)
    assert {one["id"] for five in drawn for one in five} == {one["id"] for one in POOL}
    assert len({tuple(one["id"] for one in five) for five in drawn}) > 25


def test_an_example_is_not_its_own_demonstration():
    twin = {**POOL[3], "id": "another"}  # the same text under another name
    for own in (POOL[3], twin):
        for index in range(20):
            (shown,) = demonstrations({index: own}, POOL, len(POOL) - 1, seed=0)
            assert sorted(one["id"] for one in shown) == sorted(
                one["id"] for one in POOL if one is not POOL[3]
            )


def test_demonstrations_are_in_the_languages_of_the_example(tokenizer):
    pool = [*parallel(5, seed=5), *parallel(5, seed=6, pair="fr-fr")]
    tests = indexed([*parallel(3, seed=7), *parallel(3, seed=8, pair="fr-fr")])
    for test, shown in zip(tests.values(), demonstrations(tests, pool, 3, seed=0), strict=True):
        assert {one["source_language"] for one in shown} == {test["source_language"]}
    prompt = few_shot_prompts(tests, pool, FORM, tokenizer)[-1]
    assert tokenizer.decode(prompt.ids).count("French: ") == 2 * 3 - 1


def test_the_newline_ends_a_line(tokenizer):
    (end,), _ = tokenizer.line_ends()
    assert tokenizer.decode([end]) == "\n"
    assert end in tokenizer.encode(["a \n b"])[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"template": "{target_language}:"}, "{source} has to be there once, it is 0 times"),
        ({"template": "{source}{source}"}, "it is 2 times"),
        ({"template": "{soruce}{source}"}, "'soruce' cannot be filled in"),
        ({"template": "{}{source}"}, "cannot be filled in"),
        ({"template": "{source} {"}, "cannot be filled in"),
        ({"shots": 10}, "10 demonstrations are needed for example '0', the dev set has 9 other"),
        ({"context": 60, "max_new_tokens": 40}, "a context of 60 tokens has no room for 2"),
    ],
)
def test_mistakes_are_explained(tokenizer, change, message):
    with pytest.raises(UserError) as error:
        one_prompt(record(0, "a", "b"), POOL, replace(FORM, **change), tokenizer)
    assert message in str(error.value)


def test_an_unknown_language_is_named(tokenizer):
    pool = parallel(5, seed=5, pair="en-xx")
    with pytest.raises(UserError, match="no name for language 'xx'"):
        one_prompt(record(0, "a", "b", "en-xx"), pool, FORM, tokenizer)
    with pytest.raises(UserError, match="no name for language 'xx'"):
        form = ExampleFormat(SUMMARIZE, 9, 9)
        finetuning_prompts([record(0, "a", "b", "en-xx")], form, tokenizer)
