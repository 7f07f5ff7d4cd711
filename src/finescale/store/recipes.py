"""Recipes: what an artifact is made from, and the digest that names it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

PATH_DIGITS = 20
EXACT_FLOATS = 2**53  # below it each whole number is a float of its own
SCALARS = str, int, type(None)


def canonical_json(value: Any) -> str:
    """Serialise to the one JSON text that stands for `value`.

    Sorted keys, no white space, and whole floats written as integers, so that `1e3` and `1000`
    in a config make the same digest. NaN and infinity raise ValueError.
    """
    return json.dumps(
        _whole_floats_as_integers(value),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )


def _whole_floats_as_integers(value: Any) -> Any:
    if isinstance(value, SCALARS):  # first: most of the half million values of a large study
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < EXACT_FLOATS else value
    if isinstance(value, Mapping):
        return {key: _whole_floats_as_integers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_floats_as_integers(item) for item in value]
    return value


def sha256_of_text(text: str) -> str:
    """SHA-256 of the UTF-8 bytes of `text`, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Recipe:
    """Stage, stage version, resolved parameters and the digests of the input artifacts.

    `inputs` maps a role ("tokenizer", "runs") to references, each `<stage>/<64 hex digits>`.
    """

    stage: str
    version: int
    parameters: Mapping[str, Any]
    inputs: Mapping[str, tuple[str, ...]]

    @cached_property
    def canonical(self) -> str:
        return canonical_json(
            {
                "stage": self.stage,
                "version": self.version,
                "parameters": self.parameters,
                "inputs": self.inputs,
            }
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical recipe, 64 hex digits."""
        return sha256_of_text(self.canonical)

    @property
    def reference(self) -> str:
        """`<stage>/<digest>`, as other recipes name this one among their inputs."""
        return f"{self.stage}/{self.digest}"

    def input_references(self) -> Iterator[str]:
        for references in self.inputs.values():
            yield from references

    def to_dict(self) -> dict[str, Any]:
        return json.loads(self.canonical)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Recipe":
        """Read back what `to_dict` wrote. KeyError when a field is missing."""
        inputs = {role: tuple(references) for role, references in data["inputs"].items()}
        return cls(data["stage"], data["version"], data["parameters"], inputs)


def folder_name(reference: str) -> str:
    """The folder of the artifact `<stage>/<digest>` in a store: `<stage>/<20 digits>`."""
    stage, digest = reference.split("/")
    return f"{stage}/{digest[:PATH_DIGITS]}"


def relative_folder(reference: str) -> Path:
    """Where in a store the artifact of `<stage>/<digest>` lies."""
    return Path(folder_name(reference))
