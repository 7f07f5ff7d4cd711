"""BLEURT-20 (Sellam et al. 2020; Pu et al. 2021) by transformers' RemBERT classes.

The model is a RemBERT encoder with one output over the pair reference, candidate. It is read from a
folder in the layout of its PyTorch copy: config.json, spm.model, and the weights as
model.safetensors or pytorch_model.bin, their keys named `bleurt.*`. Nothing is downloaded, and no
other model takes its place.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
from transformers import RemBertConfig, RemBertForSequenceClassification

from finescale.errors import UserError

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
SAME_IN_CONFIG = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
    *("intermediate_size", "hidden_act", "max_position_embeddings", "type_vocab_size"),
    "layer_norm_eps",
)
SPECIAL_TOKENS = ("[PAD]", "[CLS]", "[SEP]")
AROUND_PAIR = 3  # [CLS] reference [SEP] candidate [SEP]
BATCH_TOKENS = 8192  # of a batch with its padding


class Bleurt:
    """BLEURT-20, loaded from a folder; UserError where the folder does not hold it."""

    def __init__(self, folder: Path) -> None:
        weights = _weights_file(folder)
        config = _config(folder / "config.json")
        self.tokenizer = _tokenizer(folder / "spm.model")
        self.pad, self.cls, self.sep = map(self.tokenizer.piece_to_id, SPECIAL_TOKENS)
        self.max_tokens = config.max_position_embeddings
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = _model(config, weights).to(self.device).eval()

    def encode(self, reference: str, candidate: str) -> tuple[list[int], list[int]]:
        """Token ids and token types of a pair; the longer text loses what the model cannot take."""
        first, second = self.tokenizer.encode([reference, candidate])
        while len(first) + len(second) > self.max_tokens - AROUND_PAIR:
            (first if len(first) > len(second) else second).pop()
        ids = [self.cls, *first, self.sep, *second, self.sep]
        return ids, [0] * (len(first) + 2) + [1] * (len(second) + 1)

    @torch.inference_mode()
    def __call__(self, references: Sequence[str], candidates: Sequence[str]) -> np.ndarray:
        """The raw output for each pair, (segments,); an empty candidate has one too."""
        pairs = [self.encode(*pair) for pair in zip(references, candidates, strict=True)]
        scores = np.empty(len(pairs))
        for batch in _batches([len(ids) for ids, _ in pairs]):
            inputs = self._padded([pairs[index] for index in batch])
            scores[batch] = self.model(**inputs).logits[:, 0].float().cpu().numpy()
        return scores

    def _padded(self, pairs: Sequence[tuple[list[int], list[int]]]) -> dict[str, torch.Tensor]:
        shape = (len(pairs), max(len(ids) for ids, _ in pairs))
        ids, types = torch.full(shape, self.pad), torch.zeros(shape, dtype=torch.long)
        for row, (own_ids, own_types) in enumerate(pairs):
            ids[row, : len(own_ids)] = torch.tensor(own_ids)
            types[row, : len(own_ids)] = torch.tensor(own_types)
        lengths = torch.tensor([[len(ids)] for ids, _ in pairs])
        mask = (torch.arange(shape[1]) < lengths).long()
        inputs = {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}
        return {name: tensor.to(self.device) for name, tensor in inputs.items()}


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of pairs of like length, longest first, as many as BATCH_TOKENS allow."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    while order:
        size = max(1, BATCH_TOKENS // lengths[order[0]])
        batch, order = order[:size], order[size:]
        yield batch


def _weights_file(folder: Path) -> Path:
    """The weights, once all files of the layout are seen to be there."""
    missing = [name for name in ("config.json", "spm.model") if not (folder / name).is_file()]
    weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        missing.append(" or ".join(WEIGHTS))
    if missing or weights is None:
        raise UserError(
            f"{folder} is not a folder of BLEURT-20: it has no {', no '.join(missing)}. It needs "
            "config.json, spm.model and the weights, as in the model's PyTorch copy"
        )
    return weights


def _config(path: Path) -> RemBertConfig:
    """RemBERT's configuration from BLEURT's."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        settings: dict[str, Any] = {name: given[name] for name in SAME_IN_CONFIG}
        settings["input_embedding_size"] = given["embedding_size"]
        settings |= {"num_labels": 1, "bos_token_id": None, "eos_token_id": None}
        return RemBertConfig(**settings)
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path} is not the configuration of a BLEURT model: {error!r}") from None


def _tokenizer(path: Path) -> Any:
    try:
        tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(path))
    except RuntimeError as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    for token in SPECIAL_TOKENS:
        if tokenizer.piece_to_id(token) == tokenizer.unk_id():
            raise UserError(f"{path} has no token {token}: it is not BLEURT-20's")
    return tokenizer


def renamed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """BLEURT's weights under the names that transformers' RemBERT has for them."""
    return {
        name.replace("bleurt.", "rembert.", 1).replace(
            "encoder.embedding_projection.", "encoder.embedding_hidden_mapping_in."
        ): tensor
        for name, tensor in state.items()
        if not name.endswith("embeddings.position_ids")  # 0, 1, 2, ...: not a weight
    }


def _model(config: RemBertConfig, weights: Path) -> Any:
    try:
        state = renamed(_read(weights))
    except Exception as error:  # each format has exceptions of its own
        raise UserError(f"{weights} cannot be read: {error}") from None
    model = RemBertForSequenceClassification(config)
    problems = _differences(model.state_dict(), state)
    if problems:
        raise UserError(
            f"{weights} does not hold the weights of BLEURT that config.json describes: "
            + "; ".join(problems)
        )
    model.load_state_dict(state)
    return model


def _read(weights: Path) -> dict[str, torch.Tensor]:
    if weights.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(weights)
    return torch.load(weights, map_location="cpu", weights_only=True)


def _differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What tells two sets of weights apart, the first of each kind with their number."""
    other_shape = [
        f"{name} {tuple(found[name].shape)}, not {tuple(expected[name].shape)}"
        for name in sorted(expected.keys() & found.keys())
        if found[name].shape != expected[name].shape
    ]
    kinds = {
        "missing": sorted(expected.keys() - found.keys()),
        "not known": sorted(found.keys() - expected.keys()),
        "of another shape": other_shape,
    }
    return [f"{len(names)} {kind} ({names[0]})" for kind, names in kinds.items() if names]
