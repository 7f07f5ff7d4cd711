"""The three tuning methods: what trains, how ids enter the decoder, what is saved.

A `TunedModel` wraps a decoder; training, evaluation and generation see nothing else of a method.
Rows are padded on the right and no attention mask is given: with causal attention a token never
sees the padding after it, and without a mask attention takes its fast path.
"""

import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from peft import (
    LoraConfig,
    PeftModel,
    PromptTuningConfig,
    get_peft_model,
    get_peft_model_state_dict,
)
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from finescale.models.decoder import load_decoder, save_decoder
from finescale.models.structure import blocks, lora_targets


class TunedModel(nn.Module, ABC):
    """A decoder as one method tunes it.

    `model` is what the method trains, `decoder` the transformers model inside it, with adapters
    in place of the layers they replace.
    """

    def __init__(self, model: nn.Module, decoder: PreTrainedModel):
        super().__init__()
        self.model, self.decoder = model, decoder

    def forward(self, ids: Tensor) -> Tensor:
        """Hidden states [rows, length, model_dim] of ids [rows, length]."""
        return self.decoder.base_model(input_ids=ids, use_cache=False).last_hidden_state

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token logits in float32 [..., vocabulary] of hidden states [..., model_dim]."""
        return self.decoder.get_output_embeddings()(hidden).float()

    def trainable(self) -> dict[str, nn.Parameter]:
        """The parameters that training changes, by name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def use(self, attention: str, activation_checkpointing: bool) -> None:
        """Choose what costs time or memory and changes no result beyond rounding."""
        self.decoder.set_attn_implementation(attention)
        if activation_checkpointing:
            self.decoder.activation_checkpointing_enable({"use_reentrant": False})

    @abstractmethod
    def save(self, folder: Path, weights: dict[str, Tensor] | None = None) -> None:
        """Write what was tuned; `load_tuned` reads it.

        `weights` are those of `trainable()`, whole and on the CPU, where the model is sharded.
        """


class FullTuning(TunedModel):
    """Full-model tuning (FMT): every parameter trains. Pretraining is the same thing."""

    def __init__(self, decoder: PreTrainedModel):
        super().__init__(decoder, decoder)

    def save(self, folder: Path, weights: dict[str, Tensor] | None = None) -> None:
        save_decoder(self.decoder, folder, weights)


class AdapterTuning(TunedModel):
    """A frozen decoder and a peft adapter beside it; the adapter alone is saved."""

    def __init__(self, model: PeftModel):
        super().__init__(model, cast(PreTrainedModel, model.get_base_model()))
        self.config = model.peft_config["default"]

    def save(self, folder: Path, weights: dict[str, Tensor] | None = None) -> None:
        """Write adapter_config.json and adapter_model.safetensors, which plain peft loads.

        peft's own `save_pretrained` asks the hub for the base model, adds a model card, and writes
        sets in an order that changes from process to process.
        """
        folder.mkdir(parents=True, exist_ok=True)
        state = self._saved(self.trainable() if weights is None else weights)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        fields = self.config.to_dict() | {"inference_mode": True}
        text = json.dumps(fields, indent=2, sort_keys=True, default=sorted)
        (folder / "adapter_config.json").write_text(text + "\n", encoding="utf-8")

    @abstractmethod
    def _saved(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The trained weights by the names that peft gives them in a file."""


class LoraTuning(AdapterTuning):
    """LoRA: W + BA on every attention and feed-forward matrix."""

    def _saved(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return get_peft_model_state_dict(
            self.model, state_dict=dict(weights), save_embedding_layers=False
        )


class PromptTuning(AdapterTuning):
    """Prompt tuning: trained embeddings in front of the text.

    peft keeps the embeddings; the batch is built here, because peft puts padding between prompt
    and text and so shifts the positions of short rows.
    """

    def _saved(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        (prompt,) = weights.values()
        return {"prompt_embeddings": prompt}

    @property
    def prompt(self) -> nn.Parameter:
        """The trained embeddings [prompt length, model_dim]."""
        return cast(Any, self.model).prompt_encoder["default"].embedding.weight

    def forward(self, ids: Tensor) -> Tensor:
        prompt = self.prompt
        # through the module: Gemma scales embeddings on the way out, and only there
        text = self.decoder.get_input_embeddings()(ids)
        inputs = torch.cat([prompt.expand(len(ids), -1, -1).to(text.dtype), text], dim=1)
        hidden = self.decoder.base_model(inputs_embeds=inputs, use_cache=False).last_hidden_state
        return hidden[:, len(prompt) :]


def _lora(decoder: PreTrainedModel, rank: int, content_ids: np.ndarray, seed: int) -> LoraTuning:
    # alpha = rank gives scale 1, the paper's W + BA; alpha / r would fake an effect of the rank
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=rank,
        lora_alpha=rank,
        lora_dropout=0.0,
        target_modules=lora_targets(decoder),
        fan_in_fan_out=any(isinstance(part, Conv1D) for part in blocks(decoder).modules()),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LoraTuning(get_peft_model(decoder, config))


def _prompt(
    decoder: PreTrainedModel, length: int, content_ids: np.ndarray, seed: int
) -> PromptTuning:
    config = PromptTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=length, prompt_tuning_init="RANDOM"
    )
    with torch.random.fork_rng(devices=[]):  # peft draws an initialisation that is replaced below
        tuned = PromptTuning(get_peft_model(decoder, config))
    ids = np.random.default_rng(seed).choice(
        content_ids, size=length, replace=length > len(content_ids)
    )
    with torch.no_grad():
        scaled = decoder.get_input_embeddings()(torch.from_numpy(ids.astype(np.int64)))
        tuned.prompt.copy_(scaled)
    return tuned


_ADAPTERS = {"lora": _lora, "prompt": _prompt}
METHODS = ("fmt", *_ADAPTERS)


@contextmanager
def _renamed_attribute_allowed() -> Iterator[None]:
    """peft asks transformers for an attribute by its former name, which warns."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")
        yield


def attach(
    decoder: PreTrainedModel,
    method: str,
    pet_parameter_size: int | None = None,
    content_ids: np.ndarray | None = None,
    seed: int = 0,
    base_name: str = "",
) -> TunedModel:
    """Make `decoder` tunable by `method`, in place.

    `pet_parameter_size` is LoRA's rank or the prompt's length, None for `fmt`. `content_ids` are
    the vocabulary ids a prompt may start from: ordinary pieces, no control or byte tokens.
    `base_name` names the base model inside adapter_config.json; a path would tie it to a machine.
    """
    if pet_parameter_size is None:
        return FullTuning(decoder)
    if content_ids is None:
        content_ids = np.arange(decoder.config.vocab_size)
    with _renamed_attribute_allowed():
        tuned = _ADAPTERS[method](decoder, pet_parameter_size, content_ids, seed)
    tuned.config.base_model_name_or_path = base_name
    return tuned


def load_tuned(method: str, folder: Path, base: Path) -> TunedModel:
    """Read what `TunedModel.save` wrote to `folder`; `base` is the folder of the base model."""
    if method == "fmt":
        return FullTuning(load_decoder(folder))
    with _renamed_attribute_allowed():
        model = PeftModel.from_pretrained(load_decoder(base), str(folder))
    return {"lora": LoraTuning, "prompt": PromptTuning}[method](model)


def tuned_parameters(model: TunedModel) -> int:
    """How many numbers training changes."""
    return sum(parameter.numel() for parameter in model.trainable().values())
