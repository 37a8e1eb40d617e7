"""Frozen dataclass configurations to and from JSON, and their identity."""

import dataclasses
import hashlib
import json
import types
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def encode(value: Any) -> Any:  # noqa: ANN401
    """The plain JSON tree of a configuration; each dataclass names its kind when it has one."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def canonical(tree: Any) -> str:  # noqa: ANN401
    """One spelling per JSON tree: sorted keys, no spaces, NaN refused."""
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), allow_nan=False)


def identity(value: Any) -> str:  # noqa: ANN401
    """The sha256 of a configuration's canonical JSON."""
    return hashlib.sha256(canonical(encode(value)).encode()).hexdigest()


def decode(cls: type[T], tree: Any) -> T:  # noqa: ANN401
    """Builds `cls` from the tree that `encode` made.

    Raises:
        ValueError: the tree has an unknown or a missing field, or an unknown kind.
    """
    result: T = _decode(cls, tree, cls.__name__)
    return result


def _decode(hint: Any, tree: Any, where: str) -> Any:  # noqa: ANN401
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _decode(_member(get_args(hint), tree, where), tree, where)
    if origin is tuple:
        return _decode_tuple(get_args(hint), tree, where)
    if dataclasses.is_dataclass(hint):
        return _decode_dataclass(hint, tree, where)
    if hint is float and isinstance(tree, int):
        return float(tree)
    return tree


def _decode_tuple(items: tuple[Any, ...], tree: Any, where: str) -> tuple[Any, ...]:  # noqa: ANN401
    hints = [items[0]] * len(tree) if items[-1] is Ellipsis else items
    return tuple(
        _decode(h, item, f"{where}[{i}]") for i, (h, item) in enumerate(zip(hints, tree, strict=True))
    )


def _decode_dataclass(cls: Any, tree: Any, where: str) -> Any:  # noqa: ANN401
    hints = get_type_hints(cls)
    names = {f.name for f in dataclasses.fields(cls)}
    if not isinstance(tree, dict) or set(tree) != names:
        found = sorted(tree) if isinstance(tree, dict) else tree
        raise ValueError(f"{where}: expected the fields {sorted(names)}, found {found}")
    return cls(**{name: _decode(hints[name], tree[name], f"{where}.{name}") for name in names})


def _member(members: tuple[Any, ...], tree: Any, where: str) -> Any:  # noqa: ANN401
    if tree is None and type(None) in members:
        return type(None)
    classes = [m for m in members if dataclasses.is_dataclass(m)]
    if not isinstance(tree, dict):
        return next(m for m in members if m is not type(None) and m not in classes)
    kind = tree.get("kind")
    for member in classes:
        default = {f.name: f.default for f in dataclasses.fields(member)}.get("kind")
        if len(classes) == 1 or default == kind:
            return member
    raise ValueError(f"{where}: unknown kind {kind!r}")
