"""A tiny folder in the layout of BLEURT-20, its weights and tokenizer the same everywhere.

Names and shapes are written out here, apart from the code under test; the original port takes them
too (benchmarks/bleurt_port.py). Needs no package of finescale: it runs in that port's environment.
"""

import io
import json
from pathlib import Path

import numpy as np
import sentencepiece
import torch

CONFIG = {
    "model_type": "bleurt",
    "architectures": ["BleurtForSequenceClassification"],
    "vocab_size": 200,
    "embedding_size": 8,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "initializer_range": 0.02,
    "id2label": {"0": "LABEL_0"},
    "label2id": {"LABEL_0": 0},
    "pad_token_id": 0,
}
TEXT = [
    "The house by the river has a red door and two windows.",
    "Das Haus am Fluss hat eine rote Tür und zwei Fenster.",
    "河边的房子有一扇红门和两扇窗户。",
    "A bird chirps by the window; this is a random sentence.",
    "Ein Vogel zwitschert am Fenster, während es regnet.",
    "窗边有一只鸟在唱歌。",
] * 20
PAIRS = [  # reference, candidate
    ("a bird chirps by the window", "a bird chirps by the window"),
    ("a bird chirps by the window", "ein Vogel am Fenster"),
    ("河边的房子有一扇红门", "窗边有一只鸟"),
    ("the house has a red door", ""),
    ("the house has a red door " * 9, "two windows and a river " * 7),
    ("Größe", "Tür  und \n Fenster "),
    ("two windows", "the house by the river has a red door " * 8),
]


def shapes() -> dict[str, tuple[int, ...]]:
    """The weights of BLEURT, by name."""
    embedding, hidden, inner = (
        CONFIG[name] for name in ("embedding_size", "hidden_size", "intermediate_size")
    )
    tables = {"word": "vocab_size", "position": "max_position_embeddings"}
    tables["token_type"] = "type_vocab_size"
    named = {
        f"bleurt.embeddings.{name}_embeddings.weight": (CONFIG[size], embedding)
        for name, size in tables.items()
    }
    named |= _norm("bleurt.embeddings.LayerNorm", embedding)
    named |= _linear("bleurt.encoder.embedding_projection", embedding, hidden)
    for number in range(CONFIG["num_hidden_layers"]):
        layer = f"bleurt.encoder.layer.{number}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            named |= _linear(f"{layer}.attention.{part}", hidden, hidden)
        named |= _norm(f"{layer}.attention.output.LayerNorm", hidden)
        named |= _linear(f"{layer}.intermediate.dense", hidden, inner)
        named |= _linear(f"{layer}.output.dense", inner, hidden)
        named |= _norm(f"{layer}.output.LayerNorm", hidden)
    named |= _linear("bleurt.pooler.dense", hidden, hidden)
    return named | _linear("classifier", hidden, 1)


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}


def weights() -> dict[str, torch.Tensor]:
    """Random weights, of a scale at which every part of the model shows in the output."""
    random = np.random.RandomState(20)  # its stream never changes
    drawn = {}
    for name, shape in shapes().items():
        values = random.standard_normal(shape)
        if len(shape) == 2 and "embeddings" not in name:
            values *= 2 / np.sqrt(shape[1])
        if name.endswith("LayerNorm.weight"):
            values = 1 + values / 4
        drawn[name] = torch.tensor(values, dtype=torch.float32)
    positions = torch.arange(CONFIG["max_position_embeddings"]).expand(1, -1)
    return drawn | {"bleurt.embeddings.position_ids": positions.clone()}


def tokenizer_model() -> bytes:
    """A SentencePiece model with BERT's special tokens."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT),
        model_writer=model,
        vocab_size=CONFIG["vocab_size"],
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        pad_id=0,
        pad_piece="[PAD]",
        unk_id=1,
        unk_piece="[UNK]",
        bos_id=-1,
        eos_id=-1,
        control_symbols=["[CLS]", "[SEP]", "[MASK]"],
        minloglevel=2,
    )
    return model.getvalue()


def write(folder: Path) -> None:
    """Fill a folder as BLEURT-20's PyTorch copy is."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "spm.model").write_bytes(tokenizer_model())
    torch.save(weights(), folder / "pytorch_model.bin")
