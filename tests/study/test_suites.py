"""What is generated and scored: the models that figures draw, and nothing that trains."""

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from finescale.errors import UserError
from finescale.metrics import METRICS
from finescale.study.data import UNPINNED
from finescale.study.suites import SUITES
from finescale.tokens.languages import LANGUAGE_NAMES
from tests.study.plans import added_and_gone, of_stage

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())


def generation(config, task="help-en-de"):
    return config["tasks"][task]["generation"]


def test_the_paper_generates_what_its_figures_draw(plan, paper):
    planned = plan(paper)
    counts = Counter(
        (recipe.parameters["suite"], "base" in recipe.inputs)
        for recipe in of_stage(planned, "generate").values()
    )
    assert counts == {
        ("test", False): 3819,
        ("zero-shot", False): 945,
        ("one-shot", False): 2631,
        ("five-shot", False): 1794,
        # a base model for each size and each pretraining size: 9 of En-De, 10 of En-Zh, 9 of MLSum
        ("one-shot", True): 28,
        ("five-shot", True): 19,
    }
    assert planned.unsupported == {}
    for recipe in of_stage(planned, "generate").values():
        assert recipe.parameters["max_examples"] is None


def test_the_demo_generates_at_most_64_outputs_a_model(plan, demo):
    planned = plan(demo)
    assert planned.unsupported == {}
    recipes = of_stage(planned, "generate").values()
    assert all(recipe.parameters["max_examples"] <= 64 for recipe in recipes)
    assert {recipe.parameters["suite"] for recipe in recipes} == set(SUITES) - {"loss"}


def test_each_suite_is_planned_along_the_factors_of_its_figures(plan, demo):
    planned = plan(demo)
    for recipe in of_stage(planned, "score").values():
        rows = recipe.parameters["rows"]
        (suite,) = {planned.recipes[made].parameters["suite"] for made in recipe.inputs["outputs"]}
        pet_sizes = {row["pet_parameter_size"] for row in rows if row["method"] == "lora"}
        assert (len(pet_sizes) > 1) == (suite == "test")
        assert (len({row["pretraining_tokens"] for row in rows}) > 1) == (suite != "zero-shot")
        assert any(row["baseline"] for row in rows) == (suite in ("one-shot", "five-shot"))


def test_a_value_that_no_figure_draws_is_not_asked(plan, smoke):
    """One pretraining size besides the full one is no axis: Figure 8 does not draw it."""
    smoke["tasks"]["help-en-de"]["grid"]["pretraining_tokens"] = {"values": [10240]}
    planned = plan(smoke)
    tokens = {
        row["pretraining_tokens"]
        for recipe in of_stage(planned, "score").values()
        for row in recipe.parameters["rows"]
    }
    assert tokens == {20480}


def test_rows_are_the_labels_of_their_outputs(plan, smoke):
    planned = plan(smoke)
    nominal = {size["ffn_dim"]: size["nominal"] for size in smoke["model_sizes"].values()}
    for score in of_stage(planned, "score").values():
        rows, outputs = score.parameters["rows"], score.inputs["outputs"]
        for row, reference in zip(rows, outputs, strict=True):
            inputs = planned.recipes[reference].inputs
            (model,) = inputs["base"] if row["baseline"] else inputs["model"]
            recipe = planned.recipes[model]
            if row["baseline"]:
                base, no_labels = recipe, {"method", "pet_parameter_size", "seed"}
                assert {row[name] for name in no_labels} == {None}
            else:
                base = planned.recipes[recipe.inputs["base"][0]]
                labels = ("method", "pet_parameter_size", "finetuning_examples", "seed")
                assert [row[name] for name in labels] == [recipe.parameters[n] for n in labels]
            assert row["pretraining_tokens"] == base.parameters["tokens"]
            assert row["nominal_size"] == nominal[base.parameters["model"]["ffn_dim"]]


def test_a_suite_reads_its_test_sets_and_demonstrations_where_it_has_shots(plan, smoke):
    planned = plan(smoke)
    for recipe in of_stage(planned, "generate").values():
        suite, shots = recipe.parameters["suite"], recipe.parameters["shots"]
        labels = [planned.labels[reference] for reference in recipe.inputs["examples"]]
        assert all((" zero-shot " in label) == (suite == "zero-shot") for label in labels)
        assert shots == {"one-shot": 1, "five-shot": 5}.get(suite, 0)
        assert ("dev" in recipe.inputs) == (shots > 0) == recipe.parameters["stop_at_newline"]
        used, unused = ("shot_template", "template")[:: 1 if shots else -1]
        assert recipe.parameters[used] and recipe.parameters[unused] is None
        assert ("context" in recipe.parameters) == (shots > 0)


# What each change makes anew, and that everything else stays as it is.


def test_nothing_else_depends_on_what_is_generated(plan, smoke):
    def generate_nothing(config):
        for task in config["tasks"].values():
            task.pop("generation")
            task.pop("later_test", None)

    added, gone = added_and_gone(plan, smoke, generate_nothing)
    # two cards without the corpora of what is asked no more
    assert added == {"card": 2, "report": 1}
    # the corpora of zero-shot and later examples and their raw files among them
    drawn = {"figure": 7, "table": 1, "report": 1}
    later = {"tokens": 1, "loss": 8, "later_points": 1, "card": 2}
    assert gone == {"generate": 49, "score": 4, "corpus": 3, "source": 3, **later, **drawn}


def test_a_new_suite_trains_nothing_and_generates_its_own_outputs_alone(plan, smoke):
    added, gone = added_and_gone(
        plan, smoke, lambda config: generation(config)["suites"].append("one-shot")
    )
    # 6 cells a method (two sizes, one more pretraining size) and their 3 base models
    assert added == {"generate": 3 * 6 + 3, "score": 1, "figure": 2, "report": 1}
    # Figure 13 is new
    assert gone == {"figure": 1, "report": 1}


def test_a_new_metric_generates_nothing(plan, smoke):
    added, gone = added_and_gone(
        plan, smoke, lambda config: generation(config)["metrics"].append("rougeL_unicode")
    )
    # test scores are in Figures 7 to 9 and Table 7, zero-shot in Figure 6
    assert added == gone == {"score": 2, "figure": 4, "table": 1, "report": 1}


def test_the_metric_that_is_shown_only_draws(plan, smoke):
    added, gone = added_and_gone(plan, smoke, lambda c: generation(c).update(score="bleu"))
    assert added == gone == {"figure": 4, "table": 1, "report": 1}


def test_how_demonstrations_are_put_touches_few_shot_suites_alone(plan, smoke):
    change = {"shot_template": "{source} = "}
    added, gone = added_and_gone(plan, smoke, lambda c: generation(c, "help-en-zh").update(change))
    assert added == gone == {"generate": 10, "score": 1, "figure": 1, "report": 1}


def test_seed_and_context_are_of_demonstrations(plan, smoke):
    for change in ({"seed": 5}, {"context": 512}):
        added, gone = added_and_gone(plan, smoke, lambda c, new=change: c["generation"].update(new))
        assert added == gone == {"generate": 10 + 5, "score": 2, "figure": 2, "report": 1}


def test_a_new_zero_shot_set_makes_that_suite_anew(plan, smoke):
    more = {"raw": ["help-corpus:zero-shot/pl-de.jsonl"]}
    added, gone = added_and_gone(
        plan, smoke, lambda c: c["tasks"]["help-en-de"]["zero_shot"].update({"pl-de": more})
    )
    # Figure 6 and Table 1
    changed = {"generate": 12, "score": 1, "figure": 1, "table": 1, "card": 1, "report": 1}
    assert (added, gone) == (changed | {"corpus": 1, "source": 1}, changed)


# Drawings


def test_drawings_of_scores_get_the_tasks_that_have_them(plan, smoke):
    planned = plan(smoke)
    drawn = {
        planned.labels[reference]: recipe
        for reference, recipe in planned.recipes.items()
        if "scores" in recipe.inputs and recipe.stage != "report"
    }
    shown = {name: [t["task"] for t in r.parameters["tasks"]] for name, r in drawn.items()}
    assert shown == {
        "figure6": ["help-en-de"],
        "figure7": ["help-en-de"],
        "figure8": ["help-en-de"],
        "figure9": ["help-en-de"],
        "table7": ["help-en-de"],
        "figure11": ["help-summaries"],
        "figure12": ["help-en-zh"],
        "loss-model-size": ["help-en-zh"],
    }
    for recipe in drawn.values():
        for role, stage in (("scores", "score"), ("points", "points")):
            labels = [planned.labels[reference] for reference in recipe.inputs[role]]
            tasks = [
                task["task"] + (f" {task['suite']}" if stage == "score" else "")
                for task in recipe.parameters["tasks"]
            ]
            assert labels == tasks
    (task,) = drawn["figure7"].parameters["tasks"]
    assert task == {
        "task": "help-en-de",
        "title": "Help En-De",
        "family": "en-de",
        "suite": "test",
        "score": "chrf",
        "base": {
            "llm_model_size": 20000,
            "pretraining_tokens": 20480,
            "pet_parameter_size": {"lora": 4, "prompt": 4},
        },
        "model_size_as": "total",
    }


def test_a_study_without_generation_says_what_its_figures_lack(plan, smoke):
    for task in smoke["tasks"].values():
        del task["generation"]
        task.pop("later_test", None)
    unsupported = plan(smoke).unsupported
    assert unsupported["figure6"] == "no task has the suite `zero-shot`"
    assert unsupported["table7"] == "no task has the suite `test`"
    assert len(unsupported) == 9


# Mistakes


def test_the_schema_knows_the_metrics_and_languages_that_there_are():
    properties = SCHEMA["$defs"]["task_generation"]["properties"]
    assert set(properties["metrics"]["items"]["enum"]) == set(METRICS)
    assert set(properties["score"]["enum"]) == set(METRICS) - {"wrong_language"}
    assert set(properties["target_language"]["enum"]) == {None, *LANGUAGE_NAMES}
    assert set(properties["suites"]["items"]["enum"]) == set(SUITES)


@pytest.mark.parametrize(
    ("task", "change", "said"),
    [
        ("help-en-zh", {"suites": ["zero-shot", "loss"]}, "`zero-shot` needs test sets"),
        ("help-en-de", {"score": "rougeL_ascii"}, "`rougeL_ascii` is not in `metrics`"),
        ("help-en-de", {"metrics": ["chrf", "bleurt"]}, "`bleurt` needs the files of BLEURT-20"),
        ("help-en-de", {"metrics": ["chrf", "meteor"]}, "'meteor' is not one of: bleu"),
        ("help-en-de", {"suites": ["two-shot"]}, "'two-shot' is not one of: test"),
        ("help-en-de", {"target_language": "german"}, "'german' is not one of: None, de"),
        ("help-en-de", {"shot_template": "{target_language}:"}, "must have {source} once"),
        ("help-en-de", {"max_tokens": 3}, "unknown key `max_tokens`"),
    ],
)
def test_a_mistake_is_named_with_its_key(plan, smoke, task, change, said):
    generation(smoke, task).update(change)
    with pytest.raises(UserError) as error:
        plan(smoke)
    (line,) = str(error.value).splitlines()[1:]
    assert line.strip().startswith(f"`tasks.{task}.generation")
    assert said in line


# BLEURT


def test_the_learned_metric_is_pinned_raw_files_of_the_score_alone(plan, paper):
    planned = plan(paper)
    files = paper["generation"]["bleurt"]
    for score in of_stage(planned, "score").values():
        if "bleurt" not in score.parameters["metrics"]:
            assert "learned" not in json.dumps(score.to_dict())
            continue
        assert score.parameters["learned"] == list(files)
        labels = [planned.labels[reference] for reference in score.inputs["learned"]]
        assert [label.removesuffix(UNPINNED) for label in labels] == list(files.values())


def test_a_file_of_the_learned_metric_that_nobody_declares(plan, paper):
    paper["generation"]["bleurt"]["spm.model"] = "bleurt-20-sp"
    with pytest.raises(UserError, match=r"`generation\.bleurt\.spm\.model`: .*did you mean"):
        plan(paper)


@pytest.mark.parametrize("missing", ["config.json", "pytorch_model.bin"])
def test_a_learned_metric_that_is_not_whole(plan, paper, missing):
    del paper["generation"]["bleurt"][missing]
    with pytest.raises(UserError, match=r"`generation\.bleurt`"):
        plan(paper)
