"""Whether our BLEURT gives the outputs of the port that its PyTorch weights were made for.

That port, bleurt-pytorch 0.0.1, does not import with today's transformers, so this takes two steps:

    python3.11 -m venv port && port/bin/pip install bleurt-pytorch==0.0.1 transformers==4.40.2 torch
    port/bin/python benchmarks/bleurt_port.py original FOLDER LOGITS.json
    python benchmarks/bleurt_port.py compare FOLDER LOGITS.json

FOLDER is BLEURT-20 in PyTorch (config.json, spm.model, pytorch_model.bin); `tiny` in its place is
the random model of the tests, whose logits are kept in tests/metrics/bleurt_port.json. Reach: the
same token ids, and logits that agree to 1e-5.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "metrics"))

import tiny_bleurt  # noqa: E402


def original(folder: Path) -> dict:
    """Token ids, token types and logit of each pair, one at a time, by the original port."""
    import torch
    from bleurt_pytorch import BleurtConfig, BleurtForSequenceClassification
    from bleurt_pytorch.bleurt.tokenization_bleurt_sp import BleurtSPTokenizer

    config = BleurtConfig.from_pretrained(folder)
    model, loading = BleurtForSequenceClassification.from_pretrained(
        folder, config=config, output_loading_info=True
    )
    assert not any(loading.values()), f"the port does not know these weights: {loading}"
    tokenizer = BleurtSPTokenizer(str(folder / "spm.model"))
    limit, rows = config.max_position_embeddings, []
    for pair in tiny_bleurt.PAIRS:
        inputs = tokenizer(*pair, truncation=True, max_length=limit, return_tensors="pt")
        with torch.inference_mode():
            logit = model.eval()(**inputs).logits.item()
        ids, types = (inputs[name][0].tolist() for name in ("input_ids", "token_type_ids"))
        rows.append({"input_ids": ids, "token_type_ids": types, "logit": logit})
    return {"pairs": tiny_bleurt.PAIRS, "outputs": rows}


def compare(folder: Path, found: dict) -> None:
    """Print how far our outputs are from the port's."""
    from finescale.metrics.learned import Bleurt

    bleurt = Bleurt(folder)
    for pair, row in zip(found["pairs"], found["outputs"], strict=True):
        assert bleurt.encode(*pair) == (row["input_ids"], row["token_type_ids"]), pair
    ours = bleurt(*zip(*found["pairs"], strict=True))
    theirs = [row["logit"] for row in found["outputs"]]
    print(f"same token ids; logits differ by at most {max(abs(ours - theirs)):.1e}")


def main() -> None:
    """Run one of the two steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=("original", "compare"))
    parser.add_argument("folder", type=Path, help="a folder of BLEURT-20, or `tiny`")
    parser.add_argument("logits", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder
        if str(folder) == "tiny":
            folder = Path(name)
            tiny_bleurt.write(folder)
        if arguments.step == "compare":
            compare(folder, json.loads(arguments.logits.read_text()))
        else:
            arguments.logits.write_text(json.dumps(original(folder)) + "\n")


if __name__ == "__main__":
    main()
