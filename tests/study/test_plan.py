"""The plan is a pure function, and a digest changes exactly when something it depends on does."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RUNS = {"pretrain", "finetune"}
DRAWN = {"figure", "table", "report"}
FITTED = {"points", "joined_points", "fit"} | DRAWN
GENERATED = {"generate", "score"}
LATER = {"loss", "later_points"}
# of help-en-de alone: search and later test sets are on help-en-zh
AFTER_ONE_TASK = FITTED | GENERATED
AFTER_RUNS = {"pretraining_law", "search"} | AFTER_ONE_TASK | LATER


def digests(plan) -> dict[tuple[str, str], str]:
    """Digest by stage and label."""
    return {(stage, label): digest for digest, stage, label in plan.index_rows()}


def put(config, path: str, value) -> None:
    *folders, name = path.split(".")
    for key in folders:
        config = config.setdefault(key, {})
    config[name] = value


def changed(plan, config, change: Callable[[Any], None]) -> set[tuple[str, str]]:
    """Stage and label of everything planned before whose digest the change changes."""
    before = digests(plan(config))
    change(config)
    after = digests(plan(config))
    return {key for key, digest in before.items() if after.get(key) != digest}


def stages(keys: set[tuple[str, str]]) -> set[str]:
    return {stage for stage, _ in keys}


@pytest.mark.parametrize("name", ["smoke", "demo", "paper"])
def test_the_same_config_gives_the_same_plan(plan, config_files, name):
    first, second = plan(config_files[name]), plan(config_files[name])
    assert first.index_rows() == second.index_rows()
    assert first.views == second.views
    assert first.after == second.after


@pytest.mark.parametrize("name", ["smoke", "demo", "paper"])
def test_every_input_is_planned_before_what_uses_it(plan, config_files, name):
    seen = set()
    planned = plan(config_files[name])
    for reference, recipe in planned.recipes.items():
        assert set(recipe.input_references()) <= seen
        seen.add(reference)
    assert {view.reference for view in planned.views} <= seen
    assert planned.after.keys() | set(planned.after.values()) <= seen


@pytest.mark.parametrize("name", ["smoke", "demo", "paper"])
def test_people_can_tell_artifacts_and_views_apart(plan, config_files, name):
    planned = plan(config_files[name])
    rows = planned.index_rows()
    assert len({(stage, label) for _, stage, label in rows}) == len(rows)
    assert len({digest[:20] for digest, _, _ in rows}) == len(rows)
    assert len({view.path for view in planned.views}) == len(planned.views)
    assert all(view.path.startswith(f"results/{name}/") for view in planned.views)


def test_every_figure_and_table_of_the_issue_is_planned(plan, demo):
    shown = {path.removeprefix("results/demo/") for path in (v.path for v in plan(demo).views)}
    names = ["figures/search", *(f"figures/figure{number}" for number in range(1, 15))]
    names += [f"tables/table{number}" for number in range(1, 8)]
    expected = {f"{name}.{ending}" for name in names for ending in ("pdf", "png", "svg", "csv")}
    tasks = ("help-en-de", "help-en-zh", "help-summaries")
    cards = {f"data/{task}.{ending}" for task in tasks for ending in ("md", "json")}
    assert shown == expected | cards | {"points.csv", "report.html"}


def test_planning_writes_nothing_and_imports_nothing_heavy(tmp_path):
    """Each job of a cluster parses the workflow again: it must be cheap and leave no trace."""
    code = """if True:
        import os, sys
        import yaml
        from pathlib import Path
        from finescale.study.build import plan_study

        root = Path(sys.argv[1])
        config = yaml.safe_load((root / "config/paper.yaml").read_text())
        schema = root / "workflow/schemas/config.schema.yaml"
        changes = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink")

        def watch(event, arguments):
            writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if writes or event in changes or event == "subprocess.Popen":
                os.write(2, f"{event} {arguments}".encode())
                os._exit(3)

        sys.dont_write_bytecode = True
        sys.addaudithook(watch)
        plan_study(config, schema, root / "config/sources.yaml", "paper")
        print(sorted({"torch", "snakemake", "transformers", "numpy", "scipy"} & set(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-c", code, ROOT], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[]\n"
    assert list(tmp_path.iterdir()) == []


# What each change changes in the smoke study: exactly these stages.
@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("pretraining.learning_rate", 0.04, RUNS | AFTER_RUNS),
        ("pretraining.seed", 1, RUNS | AFTER_RUNS),
        ("pretraining.objective.mode_tokens", True, RUNS | AFTER_RUNS),
        ("pretraining.schedule", "own", RUNS | AFTER_ONE_TASK),
        ("precision", "bf16", RUNS | AFTER_RUNS),
        ("model_sizes.XS.ffn_dim", 48, RUNS | AFTER_RUNS - {"search"}),
        ("methods.lora.learning_rate", 0.02, {"finetune", *AFTER_ONE_TASK, *LATER}),
        ("methods.fmt.learning_rate", 0.02, {"finetune", "search", *AFTER_ONE_TASK, *LATER}),
        ("finetuning.dev.patience", 3, {"finetune", "search", *AFTER_ONE_TASK, *LATER}),
        ("tasks.help-en-de.max_target_tokens", 40, {"tokens", "card", "finetune", *AFTER_ONE_TASK}),
        (
            "families.en-de.tokenizer.vocab_size",
            900,
            {"tokenizer", "tokens", "card", *RUNS, *AFTER_RUNS} - {"search", *LATER},
        ),
        ("laws.huber_delta", 0.01, {"fit", "pretraining_law"} | DRAWN),
        ("laws.model_size_as", "nominal", {"fit", "pretraining_law"} | DRAWN),
        (
            "tasks.help-en-de.grid.finetuning_examples.fmt.held_out",
            None,
            FITTED,
        ),
        ("model_sizes.XS.nominal", 50000, {"pretraining_law", "score", "later_points", *FITTED}),
        ("study", "other", {"points", "joined_points", "later_points", "fit"} | DRAWN),
    ],
)
def test_a_change_of_the_config_changes_what_follows_from_it(plan, smoke, path, value, expected):
    assert stages(changed(plan, smoke, lambda config: put(config, path, value))) == expected


def test_a_family_does_not_depend_on_another_familys_settings(plan, smoke):
    keys = changed(plan, smoke, lambda config: put(config, "families.en-zh.validation_share", 0.02))
    assert ("tokens", "en-zh pretraining stream") in keys
    assert stages(keys) == {"tokens", *RUNS, *AFTER_RUNS}
    for stage, label in keys:
        if stage not in {"joined_points", "search", *DRAWN}:
            assert "en-zh" in label


def test_a_method_setting_of_one_task_touches_that_tasks_runs_alone(plan, smoke):
    keys = changed(
        plan, smoke, lambda config: put(config, "tasks.help-en-de.methods.lora.max_steps", 20)
    )
    runs = {label for stage, label in keys if stage == "finetune"}
    assert runs == {
        label
        for stage, label in digests(plan(smoke))
        if stage == "finetune" and label.startswith("help-en-de lora")
    }


def test_a_base_model_in_the_middle_of_a_shared_schedule_touches_its_runs_alone(plan, smoke):
    keys = changed(
        plan,
        smoke,
        lambda config: put(
            config, "tasks.help-en-de.grid.pretraining_tokens.values", [11264, 20480]
        ),
    )
    assert {label for stage, label in keys if stage == "pretrain"} == {"en-de XXS, 10.2k tokens"}
    runs = {label for stage, label in keys if stage == "finetune"}
    assert runs and all("on XXS 10.2k tokens" in label for label in runs)


def add_test_set(config) -> None:
    task = config["tasks"]["help-en-zh"]
    task["test"]["second"] = {"raw": ["help-corpus:help-en-zh/dev.jsonl"]}


def test_a_new_test_set_of_a_task_touches_no_base_model_and_no_other_task(plan, smoke):
    keys = changed(plan, smoke, add_test_set)
    assert {label for stage, label in keys if stage == "tokens"} == {"help-en-zh test sets"}
    assert stages(keys) & {"source", "corpus", "tokenizer", "pretrain", "pretraining_law"} == set()
    for stage, label in keys:
        if stage in {"finetune", "points", "fit"}:
            assert "help-en-zh" in label


def add_zero_shot_set(config) -> None:
    task = config["tasks"]["help-en-zh"]
    task["zero_shot"] = {"fr": {"raw": ["help-corpus:zero-shot/fr-zh.jsonl"]}}


def test_a_new_zero_shot_set_touches_no_run_at_all(plan, smoke):
    assert changed(plan, smoke, add_zero_shot_set) == {("table", "table1"), ("report", "smoke")}


def add_task(config) -> None:
    config["tasks"]["another"] = config["tasks"]["help-summaries"] | {"title": "Another"}


def test_a_new_task_touches_no_run_and_no_fit_of_the_others(plan, smoke):
    assert stages(changed(plan, smoke, add_task)) == {"joined_points", *DRAWN}


def test_more_seeds_and_sizes_keep_the_runs_that_are_there(plan, smoke):
    def grow(config):
        config["seeds"] = [0, 1]
        config["tasks"]["help-en-zh"]["grid"]["finetuning_examples"]["fmt"]["values"].append(128)

    assert not stages(changed(plan, smoke, grow)) & {"tokens", *RUNS}


def test_two_studies_share_what_they_have_in_common(plan, smoke):
    before = set(plan(smoke).recipes)
    smoke["study"] = "another"
    shared = {reference.split("/")[0] for reference in before & set(plan(smoke).recipes)}
    assert {"source", "corpus", "tokenizer", "tokens", *RUNS, *GENERATED} <= shared


def test_other_bytes_of_a_raw_file_change_everything_built_from_it(plan, smoke, sources_with):
    def other_bytes(corpus):
        corpus["members"]["help-en-zh/train.jsonl"]["sha256"] = "0" * 64

    before, after = digests(plan(smoke)), digests(plan(smoke, sources_with(other_bytes)))
    keys = {key for key, digest in before.items() if after[key] != digest}
    assert stages(keys) == {
        *("source", "corpus", "tokens", "card", "finetune"),
        *(AFTER_RUNS - {"pretraining_law"}),
    }
    assert all("help-en-zh" in label for stage, label in keys if stage in {"corpus", "finetune"})


def test_where_a_raw_file_lies_changes_nothing(plan, smoke, sources_with):
    def moved(corpus):
        corpus["path"] = "elsewhere/corpus.tar.xz"
        corpus["url"] = "https://example.org/corpus.tar.xz"

    assert digests(plan(smoke, sources_with(moved))) == digests(plan(smoke))


def test_a_licence_is_on_the_cards_alone(plan, smoke, sources_with):
    def relicensed(corpus):
        corpus["licence"] = "another"

    before, after = digests(plan(smoke)), digests(plan(smoke, sources_with(relicensed)))
    assert stages({key for key in before if after[key] != before[key]}) == {"card", "report"}


def test_an_unpinned_raw_file_can_be_planned(plan, paper):
    unpinned = [
        recipe.parameters["name"]
        for recipe in plan(paper).recipes.values()
        if recipe.stage == "source" and recipe.parameters["sha256"] is None
    ]
    assert len(unpinned) == len(set(unpinned))


FOREIGN = {"threads", "device", "devices", "path", "paths", "url", "host", "accumulation", "cores"}


def keys_and_texts(value):
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from keys_and_texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys_and_texts(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("name", ["smoke", "demo", "paper"])
def test_recipes_hold_no_path_no_machine_and_no_way_of_running(plan, config_files, name):
    for recipe in plan(config_files[name]).recipes.values():
        texts = set(keys_and_texts(recipe.to_dict()["parameters"]))
        unpinned = recipe.stage == "source" and recipe.parameters["sha256"] is None
        assert not texts & FOREIGN - ({"url"} if unpinned else set())
        assert not any(text.startswith(("/", "results/", "resources/")) for text in texts)


def trajectories(planned) -> list[list[int]]:
    """Tokens of the checkpoints that are made one after the other."""
    chains = []
    for last in planned.after.keys() - set(planned.after.values()):
        chain = [last]
        while chain[-1] in planned.after:
            chain.append(planned.after[chain[-1]])
        recipes = [planned.recipes[reference] for reference in reversed(chain)]
        same = [recipe.parameters | {"tokens": 0} for recipe in recipes]
        assert all(parameters == same[0] for parameters in same)
        chains.append([recipe.parameters["tokens"] for recipe in recipes])
    return sorted(chains)


def test_checkpoints_of_a_shared_schedule_are_made_in_order(plan, paper):
    billion = 10**9
    assert trajectories(plan(paper)) == [
        [84 * billion, 105 * billion, 126 * billion, 147 * billion, 167 * billion, 206 * billion],
        [84 * billion, 126 * billion, 167 * billion, 209 * billion, 283 * billion],
    ]


def test_where_each_size_has_a_schedule_of_its_own_there_is_no_order(plan, demo):
    planned = plan(demo)
    assert planned.after == {}
    lengths = {
        (recipe.parameters["tokens"], recipe.parameters["schedule_tokens"])
        for recipe in planned.recipes.values()
        if recipe.stage == "pretrain"
    }
    assert all(tokens == schedule for tokens, schedule in lengths)


def test_a_planned_artifact_is_found_by_its_path(plan, smoke):
    planned = plan(smoke)
    for recipe in planned.recipes.values():
        assert planned.by_path(recipe.stage, recipe.digest[:20]) is recipe
    with pytest.raises(KeyError):
        planned.by_path("finetune", "0" * 20)


@pytest.mark.parametrize("room", ["store", "study", "laws", "figures", "cli"])
def test_rooms_that_need_no_torch_do_not_import_it(room):
    code = f"""if True:
        import importlib, pkgutil, sys
        import finescale.{room} as room
        for module in pkgutil.walk_packages(getattr(room, "__path__", []), "finescale.{room}."):
            importlib.import_module(module.name)
        print(sorted({{"torch", "transformers", "snakemake", "lightning"}} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_yaml_numbers_reach_the_recipes_in_one_form(plan, smoke):
    before = plan(smoke).recipes
    smoke["families"]["en-de"]["pretraining_tokens"] = yaml.safe_load("2.048e+4")
    smoke["tasks"]["help-en-de"]["grid"]["finetuning_examples"]["fmt"]["values"] = [32.0, 64.0]
    for reference in plan(smoke).recipes.keys() - before.keys():
        assert reference.startswith("report/")  # it shows the config as it was written
