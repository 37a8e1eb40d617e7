"""Files that are either whole or not there, and trees of tensors without pickle."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from torch import Tensor

from cbi_pipeline.forecasting.config import canonical

_TENSOR = "$tensor"
_INT_KEYS = "$int_keys"


def write_atomic(path: Path, data: bytes) -> None:
    """Writes beside `path`, flushes to disk, then replaces; a crash leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself must survive a power cut
    finally:
        os.close(folder)


def pack(tree: Mapping[str, object]) -> bytes:
    """A tree of dicts, lists, plain values and tensors as one safetensors file.

    Raises:
        TypeError: a leaf is neither a tensor nor a plain JSON value.
    """
    tensors: dict[str, Tensor] = {}
    plain = _split(tree, "", tensors)
    return safetensors.torch.save(tensors, metadata={"tree": canonical(plain)})


def unpack(data: bytes) -> dict[str, object]:
    """The tree that `pack` made; tensors on the CPU.

    Raises:
        ValueError: the bytes are damaged.
    """
    try:
        tensors = safetensors.torch.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        tree = json.loads(header["__metadata__"]["tree"])
    except (safetensors.SafetensorError, json.JSONDecodeError, KeyError) as error:
        raise ValueError(f"the checkpoint is damaged: {error}; delete it") from error
    joined = _join(tree, tensors)
    assert isinstance(joined, dict)
    return joined


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def _split(node: object, path: str, tensors: dict[str, Tensor]) -> object:
    if isinstance(node, Tensor):
        # Each leaf is stored on its own: two names for one storage are not allowed in the file.
        tensors[path] = node.detach().cpu().clone().contiguous()
        return {_TENSOR: path}
    if isinstance(node, Mapping):
        whole = {str(k): _split(v, f"{path}/{k}", tensors) for k, v in node.items()}
        return {_INT_KEYS: whole} if node and all(isinstance(k, int) for k in node) else whole
    if isinstance(node, list | tuple):
        return [_split(v, f"{path}/{i}", tensors) for i, v in enumerate(node)]
    if node is None or isinstance(node, bool | int | float | str):
        return node
    raise TypeError(f"checkpoint: {path} holds a {type(node).__name__}; use plain values")


def _join(node: object, tensors: dict[str, Tensor]) -> object:
    if isinstance(node, list):
        return [_join(v, tensors) for v in node]
    if not isinstance(node, dict):
        return node
    if _TENSOR in node:
        return tensors[node[_TENSOR]]
    if _INT_KEYS in node:
        return {int(k): _join(v, tensors) for k, v in node[_INT_KEYS].items()}
    return {k: _join(v, tensors) for k, v in node.items()}
