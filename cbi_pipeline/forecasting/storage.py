"""Files that are either whole or not there, prove it when read, and hold no pickle.

Every file carries the sha256 of all its bytes, the digits of that sum itself read as zeros: one
flipped bit anywhere is refused. A tensor file is a safetensors file; the sum stands in its header.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors.torch
from torch import Tensor

from cbi_pipeline.forecasting.config import encode_canonical


class Damaged(ValueError):
    """A file is not as it was written; the message names it and says what to do."""


class Unsealed(ValueError):
    """A file carries no checksum: a version that kept none wrote it."""


_SUM, _BLANK = "sha256", "0" * 64
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
    whole = encode_canonical({_SUM: _BLANK, "tree": plain})
    data = safetensors.torch.save(tensors, metadata={"tree": whole})
    return data.replace(_BLANK.encode(), sha256(data).encode(), 1)


def unpack(data: bytes) -> dict[str, object]:
    """The tree that `pack` made; tensors on the CPU.

    Raises:
        Damaged: the bytes are not those that `pack` gave.
        Unsealed: they carry no checksum.
    """
    whole = _read_tree(data)
    if not {_SUM, "tree"} & set(whole):
        raise Unsealed("it carries no checksum")
    if set(whole) != {_SUM, "tree"} or _hash_blanked(data, str(whole[_SUM])) != whole[_SUM]:
        raise Damaged("its bytes do not match its checksum")
    joined = _join(whole["tree"], safetensors.torch.load(data))
    assert isinstance(joined, dict)
    return joined


def read_tree(path: Path) -> dict[str, object]:
    """The tree of a file that holds what `pack` made.

    Raises:
        Damaged: names the file and says to delete it.
        Unsealed: names the file.
    """
    return _name_damage(path, unpack)


def seal(tree: Mapping[str, object]) -> bytes:
    """A plain tree as JSON that carries its own checksum."""
    blank = encode_canonical({**tree, _SUM: _BLANK}).encode()
    return encode_canonical({**tree, _SUM: sha256(blank)}).encode()


def read_sealed(path: Path) -> dict[str, object]:
    """The plain tree of a file that holds what `seal` made.

    Raises:
        Damaged: names the file and says to delete it.
        Unsealed: names the file.
        FileNotFoundError: there is none.
    """
    return _name_damage(path, _unseal)


def _unseal(data: bytes) -> dict[str, object]:
    try:
        tree = json.loads(data)
    except ValueError as error:
        raise Damaged(str(error)) from error
    if not isinstance(tree, dict):
        raise Damaged("it holds no fields")
    if _SUM not in tree:
        raise Unsealed("it carries no checksum")
    del tree[_SUM]
    if seal(tree) != data:
        raise Damaged("its bytes do not match its checksum")
    return tree


def _name_damage(path: Path, read: Callable[[bytes], dict[str, object]]) -> dict[str, object]:
    try:
        return read(path.read_bytes())
    except Damaged as error:
        raise Damaged(
            f"{path} is damaged: {error}; delete it, and what it held is made anew"
        ) from error
    except Unsealed as error:
        raise Unsealed(f"{path} cannot be proved whole: {error}") from error


def _read_tree(data: bytes) -> dict[str, object]:
    """The plain part of a tensor file, its checksum included."""
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        whole = json.loads(header["__metadata__"]["tree"])
        safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise Damaged(str(error)) from error
    if not isinstance(whole, dict):
        raise Damaged("it holds no tree")
    return whole


def _hash_blanked(data: bytes, stated: str) -> str:
    """The checksum of the bytes with the stated one blanked out."""
    return sha256(data.replace(stated.encode(), _BLANK.encode(), 1))


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
