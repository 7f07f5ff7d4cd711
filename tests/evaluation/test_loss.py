"""The loss program: the log-perplexity of finished models on test sets added later."""

import csv
import json
import subprocess
import sys
from collections import Counter

import pytest
import torch
from torch.nn import functional

from finescale.errors import UserError
from finescale.models import load_tuned
from finescale.store import Recipe
from finescale.tokens import Tokenizer, stored_examples
from tests.evaluation.tiny_study import SCRIPTS


def measure(study, model, sets):
    """result.json and the rows of examples.csv."""
    inputs = {"model": [model], "test": [sets], **study.shared}
    made = study.store.open(study.make("loss", {}, inputs))
    with made.file("examples.csv").open(newline="") as lines:
        return made.json("result.json"), list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def both(study):
    """Two test sets, encoded."""
    return study.encode(tiny=study.tests[0], french=study.tests[1])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method", ["fmt", "lora", "prompt"])
def test_on_its_own_test_sets_a_model_has_exactly_the_result_of_its_finetuning(
    study, base, both, method, precision
):
    for sets in (study.encoded_test, both):
        model = study.finetuned(method, base, sets, precision=precision)
        finetuning = study.store.open(model).json("result.json")
        result, rows = measure(study, model, sets)
        assert result["test_log_perplexity"] > 0
        assert result == {name: finetuning[name] for name in result}  # to the last bit
        assert len(rows) == 4 * len(result["test_sets"])


@pytest.mark.parametrize("method", ["fmt", "lora", "prompt"])
def test_examples_are_those_of_one_forward_pass_each(study, base, both, method):
    model = study.finetuned(method, base)
    result, rows = measure(study, model, both)
    assert Counter(row["test_set"] for row in rows) == {"tiny": 4, "french": 4}
    tokenizer = Tokenizer(study.store.open(study.tokenizer).file("tokenizer.model"))
    folder = study.store.folder(model) / ("model" if method == "fmt" else "adapter")
    tuned = load_tuned(method, folder, study.store.folder(base) / "model")
    sets = {name: stored_examples(study.store.open(both), name) for name in ("tiny", "french")}
    for row in rows:
        index, examples = int(row["index"]), sets[row["test_set"]]
        target = examples.targets[index].tolist()
        source = [tokenizer.bos, *examples.sources[index].tolist(), tokenizer.sep]
        with torch.inference_mode():
            hidden = tuned(torch.tensor([source + target]))[0, len(source) - 1 : -1]
            loss = functional.cross_entropy(
                tuned.logits(hidden), torch.tensor(target), reduction="sum"
            )
        assert int(row["target_tokens"]) == len(target)
        assert float(row["negative_log_likelihood"]) == pytest.approx(loss.item(), rel=1e-5)
    total = sum(float(row["negative_log_likelihood"]) for row in rows)
    tokens = sum(int(row["target_tokens"]) for row in rows)
    assert result["target_tokens"] == tokens
    assert result["test_log_perplexity"] == pytest.approx(total / tokens, rel=1e-12)


def test_it_measures_as_many_examples_as_its_finetuning_evenly_spaced(study, base):
    for most, expected in ((3, [0, 6, 13]), (20, range(20)), (None, range(20))):
        model = study.finetuned("fmt", base, test={"max_examples": most})
        _, rows = measure(study, model, study.encode(french=study.tests[1]))
        assert [int(row["index"]) for row in rows] == list(expected)


def test_a_diverged_model_is_a_complete_artifact_without_numbers(study, base, both):
    diverged = study.base(learning_rate=1e30)
    cases = {
        "diverged": study.finetuned("diverged", base),
        "base diverged": study.finetuned("lora", diverged),
    }
    nothing = {"test_log_perplexity": None, "target_tokens": None, "test_sets": []}
    for status, model in cases.items():
        assert measure(study, model, both) == ({"status": status, **nothing}, [])


def test_damaged_weights_are_one_message(study, base):
    model = study.finetuned("lora", base, seed=7)
    (study.store.folder(model) / "adapter/adapter_model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"corrupted .*\n.*finescale invalidate"):
        measure(study, model, study.encoded_test)


def test_measuring_needs_no_lightning(study, base, tmp_path):
    inputs = {"model": (study.finetuned("fmt", base),), "test": (study.encoded_test,)}
    recipe = Recipe("loss", 0, {}, inputs | {"tokenizer": (study.tokenizer,)})
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps({"label": "", "recipe": recipe.to_dict()}))
    code = (
        f"import runpy, sys; sys.argv = ['loss.py', {str(file)!r}, '--store', "
        f"{str(study.store.root)!r}]\n"
        f"runpy.run_path({str(SCRIPTS / 'loss.py')!r}, run_name='__main__')\n"
        "print('lightning' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    first, last = done.stdout.splitlines()
    assert first.startswith("tiny: log-perplexity ")
    assert last == "False"
    assert study.store.open(recipe.reference).json("result.json")["status"] == "ok"
