"""From records to integers: tokenizer, encoding and memory-mapped arrays."""

from finescale.tokens.arrays import Examples, open_examples, open_stream, stored_examples
from finescale.tokens.encode import ExampleFormat, encode_documents, encode_examples
from finescale.tokens.tokenizer import Tokenizer, train_tokenizer

__all__ = [
    "ExampleFormat",
    "Examples",
    "Tokenizer",
    "encode_documents",
    "encode_examples",
    "open_examples",
    "open_stream",
    "stored_examples",
    "train_tokenizer",
]
