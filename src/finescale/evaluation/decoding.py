"""Greedy decoding of many prompts at once; what comes out does not depend on the company of a row.

An own loop over transformers' decoder and cache instead of its `generate`: finished rows leave the
batch, prompt tuning has its embeddings between padding and text (peft puts the padding between them
and so shifts positions), and near ties are decided by the row alone.
"""

from collections.abc import Iterator, Sequence, Set
from inspect import signature
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from finescale.models import TunedModel
from finescale.models.decoder import EOS
from finescale.models.methods import PromptTuning

BATCH_IDS = 16384  # ids in a batch at its end, padding included
# Two logits this near may change places with the shape of the batch, for sums in float32 depend on
# it: by 1e-5 where logits are about 10.
NEAR = 1e-3


class Output(NamedTuple):
    """New ids, without the one of `stop` that ended them; not `ended`: the limit was reached."""

    ids: list[int]
    ended: bool


@torch.inference_mode()
def greedy(
    model: TunedModel,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    stop: Set[int] = frozenset({EOS}),
    batch_ids: int = BATCH_IDS,
    last: Set[int] = frozenset(),
) -> list[Output]:
    """The most likely next id of each prompt, again and again, up to an id of `stop` or the limit.

    An id of `last` ends an output too, and is part of it. Prompts are ids, one at least. The
    outputs come in the order of the prompts and are those of decoding one prompt at a time without
    a cache, whatever `batch_ids` is.
    """
    if not all(map(len, prompts)):
        raise ValueError("a prompt without ids has no next id; begin it with bos")
    outputs = [Output([], ended=False) for _ in prompts]
    if not max_new_tokens:
        return outputs
    for indices in batches(prompts, max_new_tokens, batch_ids):
        rows = [Row(list(map(int, prompts[i]))) for i in indices]
        _continue(model, rows, max_new_tokens, stop, last)
        for i, row in zip(indices, rows, strict=True):
            outputs[i] = row.output()
    return outputs


class Row:
    """A prompt and what follows it so far."""

    def __init__(self, prompt: list[int]):
        self.ids, self.start, self.ended, self.stopped = prompt, len(prompt), False, False

    def output(self) -> Output:
        return Output(self.ids[self.start : len(self.ids) - self.stopped], self.ended)


def batches(
    prompts: Sequence[Sequence[int]], max_new_tokens: int, batch_ids: int
) -> Iterator[list[int]]:
    """Indices of prompts of like length, in batches of a bounded number of ids."""
    batch: list[int] = []
    for i in sorted(range(len(prompts)), key=lambda i: len(prompts[i])):  # the last is the longest
        if batch and (len(batch) + 1) * (len(prompts[i]) + max_new_tokens) > batch_ids:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _continue(
    model: TunedModel, rows: list[Row], max_new_tokens: int, stop: Set[int], last: Set[int]
) -> None:
    """Append new ids to the rows, the one that ends a row included."""
    batch = _Batch(model, [row.ids for row in rows])
    for left in reversed(range(max_new_tokens)):
        chosen = _choose(model, model.logits(batch.hidden), rows)
        for row, new in zip(rows, chosen, strict=True):
            row.ids.append(new)
            row.stopped = new in stop
            row.ended = row.stopped or new in last
        going = [k for k, row in enumerate(rows) if not row.ended]
        if not going or not left:
            return
        if len(going) < len(rows):
            batch.keep(going)
            rows = [rows[k] for k in going]
        batch.step([row.ids[-1] for row in rows])


def _choose(model: TunedModel, logits: Tensor, rows: Sequence[Row]) -> list[int]:
    """The id of the largest logit of each row; near ties as the row has them by itself."""
    best = logits.topk(2)
    chosen = best.indices[:, 0].tolist()
    near = best.values[:, 0] - best.values[:, 1] < NEAR
    for k in near.nonzero()[:, 0].tolist():
        hidden = model(torch.tensor([rows[k].ids], device=logits.device))[:, -1]
        chosen[k] = int(model.logits(hidden).argmax())
    return chosen


def read_in_steps(model: TunedModel, texts: Sequence[Sequence[int]], steps: int) -> Tensor:
    """Last hidden states [rows, model_dim] of texts whose last `steps` ids are read one by one."""
    batch = _Batch(model, [list(text[:-steps]) for text in texts])
    for k in range(-steps, 0):
        batch.step([text[k] for text in texts])
    return batch.hidden


class _Batch:
    """Rows inside the decoder: the cache, and the last hidden state of each, [rows, model_dim].

    A row is [pad][prompt embeddings][text]: padding on the left, so that all rows end together.
    """

    def __init__(self, model: TunedModel, texts: Sequence[list[int]]):
        self.decoder = model.decoder.base_model
        self.embed = model.decoder.get_input_embeddings()
        self.device = next(self.embed.parameters()).device
        self.takes_positions = "position_ids" in signature(self.decoder.forward).parameters
        self.cache = DynamicCache(config=model.decoder.config)
        rows = [self._embedded(torch.tensor(ids, device=self.device)) for ids in texts]
        if isinstance(model, PromptTuning):
            rows = [torch.cat([model.prompt.to(row.dtype), row]) for row in rows]
        lengths = torch.tensor([[len(row)] for row in rows], device=self.device)
        inputs = pad_sequence(rows, batch_first=True, padding_side="left")
        places = torch.arange(inputs.shape[1], device=self.device) - (inputs.shape[1] - lengths)
        self.mask = places >= 0
        self.positions = lengths  # of the next id
        self._run(inputs, places.clamp(min=0))

    def _embedded(self, ids: Tensor) -> Tensor:
        # through the module: Gemma scales embeddings on the way out, and only there
        return self.embed(ids)

    def _run(self, inputs: Tensor, positions: Tensor) -> None:
        known = {"position_ids": positions} if self.takes_positions else {}
        states = self.decoder(
            inputs_embeds=inputs,
            attention_mask=self.mask,
            past_key_values=self.cache,
            use_cache=True,
            **known,
        ).last_hidden_state
        self.hidden = states[:, -1]

    def step(self, ids: Sequence[int]) -> None:
        """Read one more id of each row."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(ids), 1)], dim=1)
        inputs = self._embedded(torch.tensor(ids, device=self.device)[:, None])
        self._run(inputs, self.positions)
        self.positions = self.positions + 1

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all other rows."""
        kept = torch.tensor(rows, device=self.device)
        self.cache.batch_select_indices(kept)
        self.mask, self.positions = self.mask[kept], self.positions[kept]
