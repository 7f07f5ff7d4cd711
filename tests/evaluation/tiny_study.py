"""Tiny runs made by the stage programs themselves, to be asked by the stages that come after."""

import importlib.util
from pathlib import Path

from finescale.corpora import write_records
from finescale.store import Recipe, Store, make_artifact
from tests.evaluation.conftest import parallel
from tests.tokens.conftest import sentences

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
PRETRAINING = {
    "model": {"layers": 1, "heads": 2, "head_dim": 8, "ffn_dim": 32, "model_dim": 16},
    "tokens": 4 * 128 * 60,
    "schedule_tokens": 4 * 128 * 60,
    "context": 128,
    "batch_sequences": 4,
    "learning_rate": 0.05,
    "final_learning_rate": 0.005,
    "warmup_steps": 2,
    "parameter_scaling": True,
    "objective": {"causal": 1.0, "prefix": 0.0, "span_corruption": [], "mode_tokens": False},
    "validation": {"sequences": 4, "logged_checkpoints": 2},
    "precision": "fp32",
    "seed": 3,
}
FINETUNING = {
    "task": "tiny",
    "finetuning_examples": 8,
    "seed": 1,
    "batch_examples": 4,
    "schedule": "constant",
    "warmup_steps": 0,
    "max_steps": 4,
    "max_epochs": None,
    "parameter_scaling": False,
    "dev": {
        "first_step": 2,
        "growth": None,
        "interval": 2,
        "patience": None,
        "min_epochs": 1,
        "max_examples": 4,
    },
    "test": {"max_examples": 4},
    "precision": "fp32",
}
METHODS = {
    "fmt": {"pet_parameter_size": None, "learning_rate": 0.001},
    "lora": {"pet_parameter_size": 2, "learning_rate": 0.01},
    "prompt": {"pet_parameter_size": 3, "learning_rate": 0.3},
    "diverged": {"pet_parameter_size": None, "learning_rate": 1e30, "method": "fmt"},
}


def program(stage):
    spec = importlib.util.spec_from_file_location(f"stage_{stage}", SCRIPTS / f"{stage}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make


def raw(records):
    """Makes the artifact of a raw file."""
    return lambda job: write_records(job.out / "data", records)


class Study:
    """Artifacts made by the stage programs themselves, from raw files written here."""

    def __init__(self, root):
        self.store = Store(root / "store")
        # a word a line: even a model that has learned little writes the end of a line
        texts = [one.replace(" ", "\n") for one in sentences(300, seed=9)]
        text = self.corpus(text=[{"id": str(i), "text": one} for i, one in enumerate(texts)])
        self.train = self.corpus(train=parallel(8, seed=1), dev=parallel(6, seed=2))
        self.tests = [
            self.corpus(test=parallel(20, seed=3)),
            self.corpus(test=parallel(20, seed=4, pair="fr-de")),
        ]
        settings = {"vocab_size": 500, "character_coverage": 0.9995, "sentinels": 8}
        self.tokenizer = self.make("tokenizer", settings, {"text": [text]})
        stream = {"kind": "pretraining", "languages": ["en"], "seed": 0, "validation_share": 0.2}
        self.stream = self.make("tokens", stream, {"text": [text], **self.shared})
        self.encoded = self.encode(train=self.train, dev=self.train)
        self.encoded_test = self.encode(tiny=self.tests[0])

    @property
    def shared(self):
        return {"tokenizer": [self.tokenizer]}

    def make(self, stage, parameters, inputs, make=None):
        recipe = Recipe(stage, 1, parameters, {role: tuple(refs) for role, refs in inputs.items()})
        make_artifact(self.store, recipe, make or program(stage))
        return recipe.reference

    def corpus(self, **splits):
        """Typed records, as the corpus stage makes them of raw files."""
        inputs = {
            split: [self.make("source", {"id": records[0]["id"], "split": split}, {}, raw(records))]
            for split, records in splits.items()
        }
        settings = {split: {"format": "records"} for split in splits}
        return self.make("corpus", {"splits": settings}, inputs)

    def encode(self, **splits):
        """Examples as ids, each split from its corpus."""
        parameters = {"kind": "examples", "splits": list(splits), "template": "{source}"}
        parameters |= {"max_source_tokens": 24, "max_target_tokens": 8}
        return self.make("tokens", parameters, {"examples": splits.values(), **self.shared})

    def base(self, **changes):
        return self.make(
            "pretrain", PRETRAINING | changes, {"tokens": [self.stream], **self.shared}
        )

    def finetuned(self, name, base, sets=None, **changes):
        """A finetuning that is tested on other encoded sets, or has other parameters."""
        sets = sets or self.encoded_test
        inputs = {"base": [base], "train": [self.encoded], "test": [sets]}
        parameters = {"method": name, **FINETUNING, **METHODS[name], **changes}
        return self.make("finetune", parameters, inputs | self.shared)
