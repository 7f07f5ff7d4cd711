"""A study's config: defaults are filled in; a mistake's message names the key and the remedy."""

import copy
import re
from pathlib import Path

import pytest
import yaml

from finescale.errors import UserError
from finescale.study.config import complete_config, load_config

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"


def mistakes(plan, config, *more) -> str:
    """The message for a config that is not accepted."""
    with pytest.raises(UserError) as error:
        plan(config, *more)
    assert str(error.value).startswith("config/study.yaml:\n")
    return str(error.value)


def lines(message: str) -> list[str]:
    return [line.strip() for line in message.splitlines()[1:]]


def put(config, path: str, value) -> None:
    """Set the key at a dotted path."""
    *folders, name = path.split(".")
    for key in folders:
        config = config[key]
    config[name] = value


@pytest.mark.parametrize("name", ["smoke", "demo", "paper"])
def test_the_shipped_studies_are_accepted(plan, config_files, name):
    assert plan(config_files[name]).study == name


def test_defaults_are_filled_in_at_every_depth(smoke):
    completed = complete_config(smoke, SCHEMA, "smoke")
    assert completed["laws"] == {
        "model_size_as": "total",
        "huber_delta": 0.001,
        "resamples": 50,
    }
    assert completed["pretraining"]["objective"] == {
        "causal": 0.6,
        "prefix": 0.2,
        "span_corruption": [
            {"share": 0.1, "density": 0.15, "mean_span": 3},
            {"share": 0.1, "density": 0.5, "mean_span": 32},
        ],
        "mode_tokens": False,
    }
    assert completed["methods"]["lora"]["parameter_scaling"] is False
    assert completed["methods"]["prompt"]["max_epochs"] is None
    assert completed["families"]["en-de"]["held_out"]["pretraining_tokens"] is None
    assert completed["families"]["en-de"]["tokenizer"]["character_coverage"] == 0.9995
    english_german = completed["tasks"]["help-en-de"]
    assert english_german["template"] == "{source}"
    assert english_german["grid"]["pet_parameter_size"]["lora"]["held_out"] is None
    assert completed["finetuning"]["dev"]["patience"] is None


def test_what_is_given_wins_over_defaults_and_the_config_is_not_changed(smoke):
    before = copy.deepcopy(smoke)
    completed = complete_config(smoke, SCHEMA, "smoke")
    assert completed["methods"]["fmt"]["schedule"] == "constant"  # the default is cosine
    assert completed["families"]["en-de"]["tokenizer"]["sentinels"] == 32
    assert smoke == before


def test_full_tuning_scales_parameters_by_default_and_adapters_do_not(smoke):
    del smoke["methods"]["fmt"]["parameter_scaling"]
    methods = complete_config(smoke, SCHEMA, "smoke")["methods"]
    assert [methods[name]["parameter_scaling"] for name in ("fmt", "lora", "prompt")] == [
        True,
        False,
        False,
    ]


def test_an_unknown_key_is_named_with_the_likely_one(plan, smoke):
    smoke["pretraning"] = smoke.pop("pretraining")
    smoke["methods"]["lora"]["learningrate"] = 0.01
    assert lines(mistakes(plan, smoke)) == [
        "`(top level)`: unknown key `pretraning`; did you mean `pretraining`?",
        "`methods.lora`: unknown key `learningrate`; did you mean `learning_rate`?",
    ]


def test_an_unknown_key_that_resembles_nothing_lists_what_is_known(plan, smoke):
    smoke["laws"]["zzz"] = 1
    assert lines(mistakes(plan, smoke)) == [
        "`laws`: unknown key `zzz` (known: huber_delta, model_size_as, resamples)"
    ]


def test_missing_keys_are_named_once(plan, smoke):
    del smoke["methods"]["fmt"]["batch_examples"]
    del smoke["methods"]["fmt"]["max_steps"]
    assert lines(mistakes(plan, smoke)) == ["`methods.fmt`: missing keys batch_examples, max_steps"]


@pytest.mark.parametrize("text", ["1e-2", "'0.01'", "0,01"])
def test_a_learning_rate_given_as_text(plan, smoke, text):
    smoke["methods"]["lora"]["learning_rate"] = yaml.safe_load(text)
    (line,) = lines(mistakes(plan, smoke))
    assert line.startswith("`methods.lora.learning_rate`: '")
    assert "is text, a number is needed" in line
    remedy = " (in YAML write 1.0e-02 with a dot, without quotes)"
    assert line.endswith(remedy) is (text != "0,01")


def test_a_large_number_given_as_text(plan, smoke):
    smoke["families"]["en-de"]["pretraining_tokens"] = yaml.safe_load("2e4")
    assert lines(mistakes(plan, smoke)) == [
        "`families.en-de.pretraining_tokens`: '2e4' is text, a number is needed "
        "(in YAML write 2.0e+04 with a dot, without quotes)"
    ]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("study", "store", "'store' cannot be used (taken: store, logs, recipes, resume)"),
        ("precision", "fp16", "'fp16' is not one of: fp32, bf16"),
        ("seeds", 0, "0 is not of type 'array'"),
        ("seeds", [], "`seeds`: needs at least one value"),
        ("seeds", "all", "'all' is text, a list is needed"),
        ("laws", "all", "'all' is text, a mapping is needed"),
        ("laws.resamples", "all", "'all' is text, a whole number is needed"),
        ("methods.fmt.parameter_scaling", "on", "'on' is text, true or false is needed"),
        ("methods", {}, "needs at least one key"),
        ("methods.fmt.batch_examples", 0, "0 is less than the minimum of 1"),
        ("methods.fmt.batch_examples", 1.5, "1.5 is not of type 'integer'"),
        ("methods.fmt.learning_rate", -1, "-1 is less than or equal to the minimum of 0"),
        ("methods.fmt.max_epochs", "all", "'all' is text, a number (or null) is needed"),
        ("study", "My study", "does not match"),
        ("tasks.help-en-de.family", 3, "3 is not of type 'string'"),
        ("tasks.help-en-de.train.cleaning", {"duplicates": False}, "only `true` is allowed"),
        ("tasks.help-en-de.train.cleaning", {}, "needs at least one key"),
        ("pretraining.schedule", "linear", "'linear' is not one of: shared, own"),
        ("tasks.help-en-de.grid.finetuning_examples.fmt.values", [32, 32], "non-unique"),
        ("tasks.help-en-de.grid.finetuning_examples.fmt.values", [2.5], "2.5"),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_what_is_allowed(plan, smoke, path, value, said):
    put(smoke, path, value)
    (line,) = lines(mistakes(plan, smoke))
    assert line.startswith(f"`{path}")
    assert said in line


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (
            "tasks.help-en-de.grid.llm_model_size.held_out",
            "XL",
            "`tasks.help-en-de.grid.llm_model_size.held_out`: XL is not in the grid (XXS, XS)",
        ),
        (
            "tasks.help-en-de.grid.pet_parameter_size.lora.held_out",
            8,
            "`tasks.help-en-de.grid.pet_parameter_size.lora.held_out`: 8 is not in the grid (2, 4)",
        ),
        (
            "tasks.help-en-de.grid.finetuning_examples.prompt.held_out",
            128,
            "`tasks.help-en-de.grid.finetuning_examples.prompt.held_out`: 128 is not in the grid "
            "(32, 64)",
        ),
        (
            "tasks.help-en-de.grid.pretraining_tokens.held_out",
            512,
            "`tasks.help-en-de.grid.pretraining_tokens.held_out`: 512 is not in the grid "
            "(10240, 20480)",
        ),
        (
            "tasks.help-en-de.grid.llm_model_size.values",
            ["XXS", "XS", "M"],
            "`tasks.help-en-de.grid.llm_model_size`: `M` is not in `model_sizes` (it has XXS, XS)",
        ),
        (
            "tasks.help-en-de.grid.base_size",
            "M",
            "`tasks.help-en-de.grid.base_size`: `M` is not in llm_model_size.values (XXS, XS)",
        ),
        (
            "tasks.help-en-de.family",
            "en-fr",
            "`tasks.help-en-de.family`: `en-fr` is not in `families` (it has en-de, en-zh)",
        ),
        (
            "families.en-de.languages",
            ["en", "fr"],
            "`families.en-de.languages`: `text` has no `fr` (it has en, de, zh)",
        ),
        (
            "families.en-de.held_out",
            {"llm_model_size": "M"},
            "`families.en-de.held_out.llm_model_size`: `M` is not a size of its tasks (XXS, XS)",
        ),
        (
            "families.en-de.held_out",
            {"pretraining_tokens": 20480},
            "`families.en-de.held_out.pretraining_tokens`: 20480 leaves nothing out, "
            "it must be less than pretraining_tokens (20480)",
        ),
        (
            "families.en-de.pretraining_tokens",
            1000,
            "`families.en-de.pretraining_tokens`: 1000 is less than one batch "
            "(context x batch_sequences = 1024)",
        ),
        (
            "tasks.help-en-de.grid.pretraining_tokens.values",
            [1000, 20480],
            "`tasks.help-en-de.grid.pretraining_tokens`: 1000 is less than one batch "
            "(context x batch_sequences = 1024)",
        ),
        (
            "tasks.help-en-de.grid.pretraining_tokens.values",
            [10240, 40960],
            "`tasks.help-en-de.grid.pretraining_tokens`: 40960 is more than the "
            "pretraining_tokens of `families.en-de` (20480)",
        ),
        (
            "pretraining.objective",
            {"causal": 0.7},
            "`pretraining.objective`: the shares sum to 1.1, they must sum to 1",
        ),
        (
            "tasks.help-en-zh.test.help.raw",
            ["help-corpus:help-en-zh/tst.jsonl"],
            "`tasks.help-en-zh.test.help.raw`: `help-corpus` in config/sources.yaml has no member "
            "`help-en-zh/tst.jsonl`; did you mean `help-en-zh/test.jsonl`?",
        ),
        (
            "text.de.raw",
            ["help-korpus:pretraining/de.libreoffice.jsonl"],
            "`text.de.raw`: config/sources.yaml has no source `help-korpus`; "
            "did you mean `help-corpus`?",
        ),
    ],
)
def test_a_contradiction_is_named_with_its_key_and_what_is_there(plan, smoke, path, value, said):
    put(smoke, path, value)
    found = lines(mistakes(plan, smoke))
    assert said in [line.replace(f"{ROOT}/", "") for line in found]


def test_a_method_without_settings(plan, smoke):
    del smoke["methods"]["prompt"]
    assert "`tasks.help-en-de.grid.finetuning_examples.prompt`: `methods` has no `prompt`" in lines(
        mistakes(plan, smoke)
    )


def test_a_family_that_no_task_uses(plan, smoke):
    del smoke["tasks"]["help-en-zh"], smoke["search"]
    assert lines(mistakes(plan, smoke)) == [
        "`families.en-zh`: no task finetunes it; remove it or add a task"
    ]


@pytest.mark.parametrize("size", [101, 1000000])
def test_a_subset_larger_than_its_corpus(plan, smoke, sources_with, size):
    def say_how_many(corpus):
        corpus["members"]["help-en-de/train.jsonl"]["records"] = 100

    put(smoke, "tasks.help-en-de.grid.finetuning_examples.lora.values", [32, 64, size])
    assert lines(mistakes(plan, smoke, sources_with(say_how_many))) == [
        f"`tasks.help-en-de.grid.finetuning_examples.lora`: a subset of {size} is larger than its "
        "corpus (100)"
    ]
    put(smoke, "tasks.help-en-de.grid.finetuning_examples.lora.values", [32, 64, 100])
    plan(smoke, sources_with(say_how_many))


def test_a_noise_floor_larger_than_its_corpus(plan, smoke, sources_with):
    def say_how_many(corpus):
        corpus["members"]["help-en-de/train.jsonl"]["records"] = 100

    smoke["tasks"]["help-en-de"]["noise_floor"] = {"finetuning_examples": 200, "seeds": [0, 1]}
    assert lines(mistakes(plan, smoke, sources_with(say_how_many))) == [
        "`tasks.help-en-de.noise_floor.finetuning_examples`: a subset of 200 is larger than its "
        "corpus (100)"
    ]


def test_the_embedded_corpus_says_how_much_it_holds(plan, smoke):
    """So that a subset that is too large is known before anything runs."""
    smoke["tasks"]["help-summaries"]["grid"]["finetuning_examples"]["fmt"]["values"] = [10000000]
    (line,) = lines(mistakes(plan, smoke))
    assert "`tasks.help-summaries.grid.finetuning_examples.fmt`: a subset of 10000000" in line


def test_several_mistakes_are_told_at_once(plan, smoke):
    smoke["tasks"]["help-en-de"]["grid"]["llm_model_size"]["held_out"] = "XL"
    smoke["tasks"]["help-summaries"]["family"] = "nothing"
    smoke["families"]["en-zh"]["languages"] = ["en", "ja"]
    found = lines(mistakes(plan, smoke))
    assert [line.partition("`:")[0] for line in found] == [
        "`families.en-zh.languages",
        "`tasks.help-en-de.grid.llm_model_size.held_out",
        "`tasks.help-summaries.family",
    ]


def test_very_many_mistakes_are_counted(plan, smoke):
    smoke |= {f"key-{number}": 0 for number in range(14)}
    found = lines(mistakes(plan, smoke))
    assert len(found) == 11
    assert found[-1] == "and 4 more"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such config file"),
        ("study: [", "not valid YAML"),
        ("study: a\nseeds: [0", "\n    seeds: [0\n           ^"),  # shows the line
        ("", "None is not of type 'object'"),
        ("- study", "is not of type 'object'"),
    ],
)
def test_a_file_that_holds_no_config(tmp_path, text, said):
    path = tmp_path / "study.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=re.escape("study.yaml:")) as error:
        load_config(path, SCHEMA)
    assert said in str(error.value)
