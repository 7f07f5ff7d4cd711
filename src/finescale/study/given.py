"""Families whose base models were made elsewhere: their checkpoints, and mistakes in them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from finescale.errors import UserError
from finescale.study import grid
from finescale.study.sources import Sources

CONFIG = "config.json"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", CONFIG)  # files that say how to encode
WEIGHTS = (".safetensors", ".bin")


def source_of(config: Mapping[str, Any], family: str, size: str, tokens: int) -> str | None:
    """The source of a checkpoint; None where the family has none of that size and length."""
    for one in config["families"][family]["checkpoints"]:
        if one["size"] == size and int(one["tokens"]) == tokens:
            return one["source"]
    return None


def tokenizer_source(config: Mapping[str, Any], family: str) -> str | None:
    """The source whose tokenizer the family has: that of its base size, fully trained."""
    size = grid.base_size_of_family(config, family)
    return size and source_of(config, family, size, grid.family_tokens(config, family))


def raw_files(source: str, names: Sequence[str]) -> list[str]:
    """The names of some files of a source in a study."""
    return [f"{source}:{name}" for name in names]


def given_mistakes(config: Mapping[str, Any], family: str, sources: Sources) -> Iterator[str]:
    """One line for each mistake in a family's checkpoints and in what its tasks ask of them."""
    where = f"`families.{family}"
    if not grid.sizes_of_family(config, family):
        yield f"{where}`: no task finetunes it; remove it or add a task"
    checkpoints = config["families"][family]["checkpoints"]
    for index, one in enumerate(checkpoints):
        here = f"{where}.checkpoints.{index}"
        if one["size"] not in config["model_sizes"]:
            known = ", ".join(config["model_sizes"])
            yield f"{here}.size`: `{one['size']}` is not in `model_sizes` (it has {known})"
        for other in checkpoints[:index]:
            if (other["size"], other["tokens"]) == (one["size"], one["tokens"]):
                yield f"{here}`: {_shown(one['size'], one['tokens'])} is there already"
            if other["source"] == one["source"]:
                yield f"{here}.source`: `{one['source']}` is another checkpoint's already"
        yield from _file_mistakes(one["source"], sources, f"{here}.source`")
    base = tokenizer_source(config, family)
    if base and base in sources and TOKENIZER[0] not in sources[base].files:
        yield (
            f"{where}`: the source `{base}` of its base size has no {TOKENIZER[0]} under `files`; "
            "AutoTokenizer.from_pretrained(...).save_pretrained(...) of transformers writes one"
        )
    for size, tokens in _wanted(config, family):
        if source_of(config, family, size, tokens) is None:
            yield f"{where}.checkpoints`: {_shown(size, tokens)} is not there, its tasks need it"


def _file_mistakes(source: str, sources: Sources, where: str) -> Iterator[str]:
    try:
        sources.expand(source)
    except UserError as error:
        yield f"{where}: {error}"
        return
    files = sources[source].files
    if CONFIG not in files or not any(name.endswith(WEIGHTS) for name in files):
        listed = ", ".join(files) or "nothing"
        yield f"{where}: `files` of `{source}` must list {CONFIG} and weights, it lists {listed}"
    elif nested := [name for name in files if "/" in name]:
        yield f"{where}: a model's files lie in one folder, `{source}` has {nested[0]}"


def _wanted(config: Mapping[str, Any], family: str) -> list[tuple[str, int]]:
    """Every size and length that the tasks and the search of a family finetune, each once."""
    tasks = {key: task for key, task in config["tasks"].items() if task["family"] == family}
    wanted = {
        (size, tokens): None
        for task in tasks.values()
        for size, tokens, _, _ in grid.settings(config, task)
    }
    search = config.get("search")
    if search and search["task"] in tasks and search["llm_model_size"]:
        wanted[search["llm_model_size"], grid.family_tokens(config, family)] = None
    return list(wanted)


def _shown(size: str, tokens: float) -> str:
    return f"{size} after {tokens:.6g} tokens"
