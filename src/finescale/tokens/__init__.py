"""From records to integers: tokenizer, encoding and memory-mapped arrays."""

from finescale.tokens.arrays import Examples, open_examples, open_stream, stored_examples
from finescale.tokens.examples import ExampleFormat, encode_examples
from finescale.tokens.pretrained import AnyTokenizer, PretrainedTokenizer, open_tokenizer
from finescale.tokens.stream import Mixture, encode_documents
from finescale.tokens.tokenizer import Tokenizer, train_tokenizer

__all__ = [
    "AnyTokenizer",
    "ExampleFormat",
    "Examples",
    "Mixture",
    "PretrainedTokenizer",
    "Tokenizer",
    "encode_documents",
    "encode_examples",
    "open_examples",
    "open_stream",
    "open_tokenizer",
    "stored_examples",
    "train_tokenizer",
]
