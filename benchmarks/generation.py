"""Greedy decoding against transformers' `generate`: the same model, prompts and batches.

    python benchmarks/generation.py [STORE] [DIGEST ...]

Takes finetuned models of a store that `make demo` has filled: those named, or for each method the
one of the largest model on the most examples. 256 prompts of the task's test set, one thread, CPU
seconds of this process. transformers decodes them in the same batches, padded on the left, and
every eighth one alone. Tokens count up to the end of sequence, which counts too.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from finescale.evaluation.decoding import BATCH_IDS, Output, batches, greedy
from finescale.models import METHODS, TunedModel, load_tuned
from finescale.models.methods import PromptTuning
from finescale.store import Artifact, Store
from finescale.tokens import Tokenizer, open_examples

PROMPTS = 256
EACH = 8  # how many prompts for one that is decoded alone

Prompts = Sequence[list[int]]


def main() -> None:
    """Print tokens per CPU second and the ratios, a line for each model."""
    torch.set_num_threads(1)
    store = Store(sys.argv[1] if len(sys.argv) > 1 else "results/store")
    named = [store.by_digest(prefix) for prefix in sys.argv[2:]]
    for run in named or largest(store):
        model, prompts, limit = load(store, run)
        greedy(model, prompts[:8], limit)  # the first call of everything takes longer
        generate(model, prompts[:8], limit)
        compare(run.label, model, prompts, limit)


def largest(store: Store) -> Iterator[Artifact]:
    """One finetuned model of each method; ValueError where the store has none."""
    for method in METHODS:
        runs = store.find("finetune", lambda recipe, m=method: recipe.parameters["method"] == m)
        yield max(
            runs, key=lambda run: (parameters(run), run.recipe.parameters["finetuning_examples"])
        )


def parameters(run: Artifact) -> int:
    """Parameters of the model that was tuned."""
    return run.json("result.json")["model_parameters"]


def load(store: Store, run: Artifact) -> tuple[TunedModel, Prompts, int]:
    """A model, prompts of its test set, and its limit of new tokens."""
    base, test, tokenizer = (
        store.open(run.recipe.inputs[role][0]) for role in ("base", "test", "tokenizer")
    )
    method = run.recipe.parameters["method"]
    folder = run.folder / ("model" if method == "fmt" else "adapter")
    vocabulary = Tokenizer(tokenizer.file("tokenizer.model"))
    sources = open_examples(test.folder, test.recipe.parameters["splits"][0]).sources
    prompts = [
        [vocabulary.bos, *sources[i].tolist(), vocabulary.sep]
        for i in range(min(PROMPTS, len(sources)))
    ]
    model = load_tuned(method, folder, base.folder / "model")
    return model, prompts, test.recipe.parameters["max_target_tokens"]


def compare(label: str, model: TunedModel, prompts: Prompts, limit: int) -> None:
    """Decode three ways and print what each took."""
    size = sum(parameter.numel() for parameter in model.parameters())
    print(f"{label}: {size / 1e6:.2f}M parameters, {len(prompts)} prompts")
    ours, ours_rate = timed(lambda: greedy(model, prompts, limit))
    theirs, theirs_rate = timed(lambda: batched(model, prompts, limit))
    alone, alone_rate = timed(lambda: [generate(model, [p], limit)[0] for p in prompts[::EACH]])
    for name, step, outputs, rate in (
        ("in the same batches", 1, theirs, theirs_rate),
        ("one by one", EACH, alone, alone_rate),
    ):
        same = sum(a == b for a, b in zip(ours[::step], outputs, strict=True))
        print(
            f"  {ours_rate:8.0f} tokens/s, generate {name} {rate:8.0f}: ratio "
            f"{ours_rate / rate:5.2f}, same outputs {same}/{len(outputs)}"
        )


def timed(decode: Callable[[], list[Output]]) -> tuple[list[Output], float]:
    """The outputs, and new tokens per CPU second."""
    started = time.process_time()
    outputs = decode()
    seconds = time.process_time() - started
    return outputs, sum(len(output.ids) + output.ended for output in outputs) / seconds


def batched(model: TunedModel, prompts: Prompts, limit: int) -> list[Output]:
    """transformers' `generate` in the batches of `greedy`."""
    outputs: dict[int, Output] = {}
    for indices in batches(prompts, limit, BATCH_IDS):
        made = generate(model, [prompts[i] for i in indices], limit)
        outputs |= dict(zip(indices, made, strict=True))
    return [outputs[i] for i in range(len(prompts))]


def generate(model: TunedModel, prompts: Prompts, limit: int) -> list[Output]:
    """transformers' `generate` of one batch, given as embeddings: [pad][prompt][text]."""
    embed = model.decoder.get_input_embeddings()
    with torch.inference_mode():
        rows = [embed(torch.tensor(ids)) for ids in prompts]
        if isinstance(model, PromptTuning):
            rows = [torch.cat([model.prompt, row]) for row in rows]
        new = model.decoder.generate(
            inputs_embeds=pad_sequence(rows, batch_first=True, padding_side="left"),
            attention_mask=left_mask([len(row) for row in rows]),
            do_sample=False,
            max_new_tokens=limit,
            use_cache=True,
        )
    return [cut(row.tolist(), model.decoder.config.eos_token_id) for row in new]


def left_mask(lengths: Sequence[int]) -> Tensor:
    """1 where a row has text, 0 where it has padding."""
    ones = [torch.ones(length, dtype=torch.long) for length in lengths]
    return pad_sequence(ones, batch_first=True, padding_side="left")


def cut(ids: list[int], eos: int) -> Output:
    """Without the end of sequence and the padding after it."""
    return Output(ids[: ids.index(eos)], True) if eos in ids else Output(ids, False)


if __name__ == "__main__":
    main()
