"""Encode the texts of a folder with its tokenizer: `encode.py FOLDER OUT WORKERS`."""

import sys
from pathlib import Path

from finescale.tokens import Mixture, Tokenizer, encode_documents

if __name__ == "__main__":
    folder, out, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    texts = {language: sorted(folder.glob(f"{language}-*.jsonl")) for language in ("en", "de")}
    tokenizer = Tokenizer(folder / "tokenizer.model")
    mixture = Mixture(0, 0.1, (0.6, 0.4))
    encode_documents(texts, tokenizer, mixture, out, folder / "kept", workers)
