"""Mistakes that a schema cannot see: names that do not meet, values that are not in their grid."""

from collections.abc import Iterable, Iterator
from typing import Any

from finescale.errors import refuse_mistakes
from finescale.study import grid
from finescale.study.data_checks import data_mistakes
from finescale.study.given import given_mistakes
from finescale.study.grid import ARCHITECTURE
from finescale.study.hardware import hardware_mistakes
from finescale.study.sources import Sources, count_records
from finescale.study.suites import LOSS, SUITES, suites_of


def check_meaning(config: dict[str, Any], sources: Sources, name: str) -> None:
    """Raise UserError with one line for each contradiction in a completed config."""
    mistakes = [
        *_pretraining_mistakes(config),
        *(line for key in grid.trained_families(config) for line in _family_mistakes(config, key)),
        *(line for key in config["families"] for line in _given_mistakes(config, key, sources)),
        *_dimension_mistakes(config),
        *(line for key in config["tasks"] for line in _task_mistakes(config, key, sources)),
        *_search_mistakes(config, sources),
        *data_mistakes(config, sources),
        *hardware_mistakes(config),
    ]
    refuse_mistakes(name, mistakes)


def _pretraining_mistakes(config: dict[str, Any]) -> Iterator[str]:
    trained = grid.trained_families(config)
    if "pretraining" not in config:
        if trained:
            yield f"`pretraining`: missing, the family `{trained[0]}` is trained here"
        return
    objective = config["pretraining"]["objective"]
    shares = [objective["causal"], objective["prefix"]]
    shares += [corruption["share"] for corruption in objective["span_corruption"]]
    if abs(sum(shares) - 1) > 1e-9:
        yield f"`pretraining.objective`: the shares sum to {sum(shares):g}, they must sum to 1"


def _given_mistakes(config: dict[str, Any], family: str, sources: Sources) -> Iterator[str]:
    return given_mistakes(config, family, sources) if grid.is_given(config, family) else iter(())


def _dimension_mistakes(config: dict[str, Any]) -> Iterator[str]:
    """Sizes that are trained here need all dimensions; others all of them or none."""
    trained = {
        size: family
        for family in grid.trained_families(config)
        for size in grid.sizes_of_family(config, family)
    }
    for size, settings in config["model_sizes"].items():
        missing = [name for name in ARCHITECTURE if name not in settings]
        if missing and (size in trained or len(missing) < len(ARCHITECTURE)):
            why = f", the family `{trained[size]}` is trained here" if size in trained else ""
            yield f"`model_sizes.{size}`: missing keys {', '.join(missing)}{why}"


def _family_mistakes(config: dict[str, Any], key: str) -> Iterator[str]:
    family, where = config["families"][key], f"`families.{key}"
    for language in family["languages"]:
        if language not in config["text"]:
            yield f"{where}.languages`: `text` has no `{language}` {_there(config['text'])}"
    if mixture := family.get("mixture"):
        yield from _mixture_mistakes(mixture["shares"], family["languages"], where)
        needed = family["pretraining_tokens"] / (1 - family["validation_share"])
        if mixture["tokens"] is not None and mixture["tokens"] < needed:
            given = _shown(mixture["tokens"])
            yield (
                f"{where}.mixture.tokens`: {given} is less than pretraining_tokens and the "
                f"validation share need ({needed:.0f})"
            )
    tokens = int(family["pretraining_tokens"])
    if tokens < _batch(config):
        yield f"{where}.pretraining_tokens`: {tokens} {_less_than(_batch(config))}"
    length = family["held_out"]["pretraining_tokens"]
    if length is not None and length >= tokens:
        yield (
            f"{where}.held_out.pretraining_tokens`: {_shown(length)} leaves nothing out, "
            f"it must be less than pretraining_tokens ({tokens})"
        )
    size, sizes = family["held_out"]["llm_model_size"], grid.sizes_of_family(config, key)
    if not sizes:
        yield f"{where}`: no task finetunes it; remove it or add a task"
    elif size is not None and size not in sizes:
        listed = _list(sizes)
        yield f"{where}.held_out.llm_model_size`: `{size}` is not a size of its tasks {listed}"


def _mixture_mistakes(
    shares: dict[str, float], languages: Iterable[str], where: str
) -> Iterator[str]:
    if set(shares) != set(languages):
        yield f"{where}.mixture.shares`: one share for each of {_list(languages)} is needed"
    elif abs(sum(shares.values()) - 1) > 1e-9:
        total = sum(shares.values())
        yield f"{where}.mixture.shares`: the shares sum to {total:g}, they must sum to 1"


def _batch(config: dict[str, Any]) -> int:
    """Tokens in a pretraining batch; 0 while nothing says it."""
    if "pretraining" not in config:
        return 0
    return config["pretraining"]["context"] * config["pretraining"]["batch_sequences"]


def _less_than(batch: int) -> str:
    return f"is less than one batch (context x batch_sequences = {batch})"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.0f}"


def _list(values: Iterable[Any]) -> str:
    return f"({', '.join(map(_shown, values))})"


def _there(known: Iterable[str]) -> str:
    return f"(it has {', '.join(known)})"


def _task_mistakes(config: dict[str, Any], key: str, sources: Sources) -> Iterator[str]:
    task, where = config["tasks"][key], f"`tasks.{key}"
    if task["family"] not in config["families"]:
        there = _there(config["families"])
        yield f"{where}.family`: `{task['family']}` is not in `families` {there}"
        return
    yield from _axis_mistakes(f"{where}.grid", task["grid"])
    for method in grid.methods_of(task):
        if method not in config["methods"]:
            yield f"{where}.grid.finetuning_examples.{method}`: `methods` has no `{method}`"
    yield from _size_mistakes(config, task, where)
    if not grid.is_given(config, task["family"]):
        yield from _token_mistakes(config, task, where)
    yield from _pool_mistakes(task, where, sources)
    yield from _generation_mistakes(config, task, where)


def _generation_mistakes(config: dict[str, Any], task: dict[str, Any], where: str) -> Iterator[str]:
    suites = suites_of(task)
    if task["later_test"] and LOSS not in suites:
        yield f"{where}.later_test`: nothing measures it; add `{LOSS}` to `generation.suites`"
    if not suites:
        return
    generation, where = task["generation"], f"{where}.generation"
    for suite in suites:
        if not task[SUITES[suite].kind]:
            yield (
                f"{where}.suites`: `{suite}` needs test sets in the task's `{SUITES[suite].kind}`"
            )
    metrics = generation.get("metrics", [])  # none where nothing is written
    if "score" in generation and generation["score"] not in metrics:
        there = _there(metrics)
        yield f"{where}.score`: `{generation['score']}` is not in `metrics` {there}"
    if "bleurt" in metrics and not config["generation"]["bleurt"]:
        yield (
            f"{where}.metrics`: `bleurt` needs the files of BLEURT-20 (`generation.bleurt`); "
            "without them score translations by `chrf`"
        )
    if generation["shot_template"].count("{source}") != 1:
        given = generation["shot_template"]
        yield f"{where}.shot_template`: {given!r} must have {{source}} once"


def _search_mistakes(config: dict[str, Any], sources: Sources) -> Iterator[str]:
    search = config.get("search")
    if search is None:
        return
    if search["task"] not in config["tasks"]:
        yield f"`search.task`: `{search['task']}` is not in `tasks` {_there(config['tasks'])}"
        return
    known = config["model_sizes"]
    if search["llm_model_size"] not in (None, *known):
        size = search["llm_model_size"]
        yield f"`search.llm_model_size`: `{size}` is not in `model_sizes` {_there(known)}"
    for method in search["methods"]:
        if method not in config["methods"]:
            yield f"`search.methods.{method}`: `methods` has no `{method}`"
    pool = count_records(config["tasks"][search["task"]]["train"]["raw"], sources)
    yield from _too_large("`search.finetuning_examples`", search["finetuning_examples"], pool)


def _size_mistakes(config: dict[str, Any], task: dict[str, Any], where: str) -> Iterator[str]:
    known, sizes = config["model_sizes"], task["grid"]["llm_model_size"]["values"]
    for size in sizes:
        if size not in known:
            yield f"{where}.grid.llm_model_size`: `{size}` is not in `model_sizes` {_there(known)}"
    base = grid.base_size(task)
    if base not in sizes:
        yield f"{where}.grid.base_size`: `{base}` is not in llm_model_size.values {_list(sizes)}"


def _axis_mistakes(where: str, axes: dict[str, Any]) -> Iterator[str]:
    """A held-out value that is not among the values of its axis, at any depth."""
    for key, axis in axes.items():
        if not isinstance(axis, dict):
            continue
        if "values" not in axis:
            yield from _axis_mistakes(f"{where}.{key}", axis)
        elif axis.get("held_out") is not None and axis["held_out"] not in axis["values"]:
            given, values = _shown(axis["held_out"]), _list(axis["values"])
            yield f"{where}.{key}.held_out`: {given} is not in the grid {values}"


def _token_mistakes(config: dict[str, Any], task: dict[str, Any], where: str) -> Iterator[str]:
    full, batch = grid.full_tokens(config, task), _batch(config)
    for tokens in task["grid"]["pretraining_tokens"]["values"]:
        if tokens > full:
            yield (
                f"{where}.grid.pretraining_tokens`: {_shown(tokens)} is more than the "
                f"pretraining_tokens of `families.{task['family']}` ({full})"
            )
        if tokens < batch:
            yield f"{where}.grid.pretraining_tokens`: {_shown(tokens)} {_less_than(batch)}"


def _pool_mistakes(task: dict[str, Any], where: str, sources: Sources) -> Iterator[str]:
    pool = count_records(task["train"]["raw"], sources)
    sizes = {
        f"grid.finetuning_examples.{method}": max(axis["values"])
        for method, axis in task["grid"]["finetuning_examples"].items()
    }
    if task.get("noise_floor"):
        sizes["noise_floor.finetuning_examples"] = task["noise_floor"]["finetuning_examples"]
    for key, size in sizes.items():
        yield from _too_large(f"{where}.{key}`", size, pool)


def _too_large(key: str, size: float, pool: int | None) -> Iterator[str]:
    """A pool of None is not known before the raw files are read; the finetune job checks again."""
    if pool is not None and size > pool:
        yield f"{key}: a subset of {_shown(size)} is larger than its corpus ({pool})"
