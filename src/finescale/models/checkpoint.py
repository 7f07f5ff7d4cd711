"""A base model made elsewhere: its files laid out as the stages read a model, and looked at.

Nothing in a checkpoint is run: code that comes with one is refused, and pickled weights are read as
tensors alone. What a model computes is compared with how the stages use it, because no list of
architectures would stay right.
"""

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from finescale.errors import UserError
from finescale.models.methods import FullTuning
from finescale.models.structure import embedding_rows

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PICKLED = "pytorch_model.bin"
INDEX = ".index.json"
TOLERANCE = 1e-3  # of the largest number: float32 sums in another order
ROWS, LENGTH = 2, 8  # of the ids that a model is tried on
OUTPUT_SCALE = 1e6  # times which small logits too lie beyond any cap
# What older versions of transformers saved beside the weights: causal masks and their fill value,
# rotary frequencies, positions, a version. All are computed, or read by nobody.
BUFFERS = re.compile(
    r"(^|\.)((attn|attention|crossattention)\.(bias|masked_bias)|causal_mask|inv_freq"
    r"|position_ids|decoder\.version)$"
)


def lay_out(files: Mapping[str, Path], folder: Path) -> None:
    """Write config.json and weights into `folder`, from the files of a checkpoint by name.

    Dropout is turned off: runs go on where they were interrupted, and draw nothing by chance.
    UserError for what is missing, or no causal language model of transformers.
    """
    folder.mkdir(parents=True)
    _configuration(files, folder).save_pretrained(folder)
    if WEIGHTS in files:
        _link(files[WEIGHTS], folder / WEIGHTS)
    elif WEIGHTS + INDEX in files:
        _link(files[WEIGHTS + INDEX], folder / (WEIGHTS + INDEX))
        for name in _shards(files, WEIGHTS + INDEX):
            _link(files[name], folder / name)
    else:
        names = [PICKLED] if PICKLED in files else _shards(files, PICKLED + INDEX)
        tensors = {key: value for name in names for key, value in _unpickled(files[name], name)}
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def _configuration(files: Mapping[str, Path], folder: Path) -> PreTrainedConfig:
    content = _json(files, CONFIG)
    if "auto_map" in content:
        raise UserError(
            f"{CONFIG} has `auto_map`: this model brings code of its own, which is never run. "
            "Take a model that transformers knows by itself"
        )
    if "quantization_config" in content:
        raise UserError(f"{CONFIG} has `quantization_config`: take the weights as they were before")
    shutil.copyfile(files[CONFIG], folder / CONFIG)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (ValueError, TypeError, KeyError, OSError) as error:
        kind = content.get("model_type")
        raise UserError(
            f"{CONFIG}: transformers has no model `{kind}` like this: {error}"
        ) from None
    if getattr(config, "is_encoder_decoder", False):
        raise UserError(f"`{config.model_type}` is an encoder-decoder: a causal model is needed")
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UserError(f"`{config.model_type}` is not a causal language model of transformers")
    for name, value in config.to_dict().items():
        if "drop" in name and isinstance(value, float):
            setattr(config, name, 0.0)
    config.use_cache = False  # in training; generation has its own
    return config


def _json(files: Mapping[str, Path], name: str) -> dict[str, Any]:
    if name not in files:
        known = ", ".join(sorted(files))
        raise UserError(f"the source has no {name} (its files: {known}): list it under `files`")
    try:
        content = json.loads(files[name].read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{name} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{name} is not a JSON object")
    return content


def _shards(files: Mapping[str, Path], index: str) -> list[str]:
    """The files that hold the weights; UserError for those that nobody listed."""
    if index not in files:
        raise UserError(
            f"the source has no weights: list {WEIGHTS}, or {WEIGHTS + INDEX} and its parts, or "
            f"{PICKLED}, or {PICKLED + INDEX} and its parts under `files`"
        )
    places = _json(files, index).get("weight_map")
    named = list(places.values()) if isinstance(places, dict) else []
    if not named or not all(isinstance(name, str) for name in named):
        raise UserError(f"{index} has no `weight_map` from names of weights to names of files")
    names = sorted(set(named))
    if missing := [name for name in names if name not in files]:
        raise UserError(f"{index} needs {', '.join(missing)}: list all parts under `files`")
    return names


def _link(source: Path, target: Path) -> None:
    """The same bytes by another name; a copy where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _unpickled(path: Path, name: str) -> list[tuple[str, Tensor]]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # damaged bytes raise anything; torch's own words advise to run the pickle
        content = None
    if not isinstance(content, dict) or not all(map(torch.is_tensor, content.values())):
        raise UserError(
            f"{name} is damaged or holds something else than tensors by name, and what else a "
            f"pickle holds is never run: take {WEIGHTS}"
        )
    return [
        (key, value.clone(memory_format=torch.contiguous_format)) for key, value in content.items()
    ]


def load_checked(folder: Path) -> FullTuning:
    """The model that `lay_out` wrote, in float32. UserError where weights and model differ."""
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except Exception as error:  # of safetensors, of the system, of each model's own code
        reason = str(error).partition("\n")[0]
        raise UserError(f"transformers cannot read the weights: {reason}") from None
    model, info = loaded
    name = type(model).__name__
    _refuse(info["missing_keys"], f"of {name} are missing")
    # of other shapes, the name and both
    _refuse([key for key, *_ in info["mismatched_keys"]], f"of {name} have other shapes")
    # a model of fewer blocks than the weights have would be a truncated one
    left_over = [key for key in info["unexpected_keys"] if not BUFFERS.search(key)]
    _refuse(left_over, f"have no place in {name}")
    return FullTuning(model.eval())


def _refuse(names: Iterable[str], what: str) -> None:
    """UserError where there is any of these weights."""
    if wrong := sorted(names):
        raise UserError(
            f"{len(wrong)} weights {what}, {wrong[0]} the first: the weights are not of this "
            f"{CONFIG}"
        )


@torch.inference_mode()
def check_use(model: FullTuning) -> None:
    """UserError where the stages would not compute what the model itself does."""
    decoder = model.decoder
    name, rows = type(decoder).__name__, embedding_rows(decoder)
    ids = torch.randint(rows, (ROWS, LENGTH), generator=torch.Generator().manual_seed(0))
    hidden = model(ids)
    if not hidden.isfinite().all():
        raise UserError(f"{name} computes what is no number: its weights are damaged")
    other = ids.clone()
    other[:, -1] = (other[:, -1] + 1) % rows
    if not _alike(hidden[:, :-1], model(other)[:, :-1]):
        raise UserError(f"{name} sees what comes after a token: it is no causal model")
    with _outputs_scaled(decoder):
        alike = _alike(model.logits(hidden), decoder(input_ids=ids, use_cache=False).logits)
    if not alike:
        raise UserError(
            f"{name}: its logits are not those of its output layer alone (they are scaled or "
            "soft-capped), which is not supported"
        )
    embedded = decoder.get_input_embeddings()(ids)
    given = decoder.base_model(inputs_embeds=embedded, use_cache=False).last_hidden_state
    if not _alike(hidden, given):
        raise UserError(f"{name} does not read embeddings as it reads ids: it is not supported")


@contextmanager
def _outputs_scaled(decoder: PreTrainedModel) -> Iterator[None]:
    """Outputs of the output layer times OUTPUT_SCALE: a soft cap leaves small ones as they are."""
    layer = cast(nn.Module, decoder.get_output_embeddings())
    hook = layer.register_forward_hook(lambda module, given, output: output * OUTPUT_SCALE)
    try:
        yield
    finally:
        hook.remove()


def _alike(one: Tensor, other: Tensor) -> bool:
    scale = float(one.abs().max())
    return one.shape == other.shape and float((one - other).abs().max()) <= TOLERANCE * scale


def context_of(model: PreTrainedModel) -> int | None:
    """Ids that a model can read, as its configuration has it; None where that is silent."""
    found = getattr(model.config, "max_position_embeddings", None)
    return found if isinstance(found, int) and found > 0 else None
