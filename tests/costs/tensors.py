"""How many bytes of tensors are there, seen from inside torch."""

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class TensorBytes(TorchDispatchMode):
    """Counts the storage of every tensor that an operation returns, until it is freed.

    `peak` is the most bytes that were there at a time; temporaries inside of one kernel are not
    seen. `there` are tensors from before.
    """

    def __init__(self, there: Iterable[Tensor] = ()):
        super().__init__()
        self.live = self.peak = 0
        self._seen: set[int] = set()
        for tensor in there:
            self._add(tensor)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._add(leaf)
        return result

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._seen:
            return
        self._seen.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.live -= size


def kept_bytes(parameters: Iterable[Tensor]) -> tuple[Any, dict[int, Tensor]]:
    """A context in which autograd's saved tensors are collected, by storage, and where they go."""
    known = {p.untyped_storage().data_ptr() for p in parameters}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        key = tensor.untyped_storage().data_ptr()
        if key not in known:
            kept[key] = tensor
        return tensor

    return torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), kept
