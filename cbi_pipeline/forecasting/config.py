"""Frozen dataclass configurations to and from JSON, and their identity."""

import dataclasses
import hashlib
import json
import types
from typing import TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


def encode(value: object) -> Json:
    """The plain JSON tree of a configuration: dataclasses as mappings, tuples as lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return cast("Json", value)


def canonical(tree: object) -> str:
    """One spelling per JSON tree: sorted keys, no spaces, NaN refused."""
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), allow_nan=False)


def identity(value: object) -> str:
    """The sha256 of a configuration's canonical JSON."""
    return hashlib.sha256(canonical(encode(value)).encode()).hexdigest()


def decode(cls: type[T], tree: object) -> T:
    """Builds `cls` from the tree that `encode` made.

    Raises:
        ValueError: the tree has an unknown or a missing field, or an unknown kind.
    """
    return cast("T", _decode(cls, tree, cls.__name__))


def _decode(hint: object, tree: object, where: str) -> object:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _decode(_member(get_args(hint), tree, where), tree, where)
    if origin is tuple and isinstance(tree, list | tuple):
        items = get_args(hint)
        hints = [items[0]] * len(tree) if items[-1] is Ellipsis else list(items)
        pairs = enumerate(zip(hints, tree, strict=True))
        return tuple(_decode(h, item, f"{where}[{i}]") for i, (h, item) in pairs)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _decode_dataclass(hint, tree, where)
    return float(tree) if hint is float and isinstance(tree, int) else tree


def _decode_dataclass(cls: type, tree: object, where: str) -> object:
    hints = get_type_hints(cls)
    names = {f.name for f in dataclasses.fields(cls)}
    if not isinstance(tree, dict) or set(tree) != names:
        found = sorted(tree) if isinstance(tree, dict) else tree
        raise ValueError(f"{where}: expected the fields {sorted(names)}, found {found}")
    return cls(**{name: _decode(hints[name], tree[name], f"{where}.{name}") for name in names})


def _member(members: tuple[object, ...], tree: object, where: str) -> object:
    """The member of a union that the tree spells: by its kind when several are dataclasses."""
    if tree is None:
        return type(None)
    classes = [m for m in members if isinstance(m, type) and dataclasses.is_dataclass(m)]
    if not isinstance(tree, dict):
        return next(m for m in members if m is not type(None) and m not in classes)
    for member in classes:
        default = {f.name: f.default for f in dataclasses.fields(member)}.get("kind")
        if len(classes) == 1 or default == tree.get("kind"):
            return member
    raise ValueError(f"{where}: unknown kind {tree.get('kind')!r}")
