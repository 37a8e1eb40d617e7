"""Configurations: checked when they are built, kept as JSON, named by what they change.

Every configuration is a frozen dataclass over `Config`. Reading is lenient where that is safe: a
field that a file lacks takes its default, a field that this version lacks is refused in words. An
identity covers the kind and what differs from the kind's defaults, so that a new option renames
nothing that leaves it alone. Where a default has changed, an identity still leaves out the former
one alone (`formerly`).
"""

import dataclasses
import hashlib
import json
import reprlib
import types
from collections.abc import Iterator, Mapping
from functools import cache
from inspect import isabstract
from typing import (
    Any,
    ClassVar,
    TypeAlias,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from cbi_pipeline.forecasting.declarations import (
    Unfit,
    accept,
    describe,
    strip,
)
from cbi_pipeline.forecasting.version import describe_writer

T = TypeVar("T")
_FORMERLY, _WRITTEN = "formerly", "written"
Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


class Config:
    """Base of every configuration.

    Attributes:
        kind: which of several a saved configuration is; no argument, never changed. Empty where
            there is one class to choose from.
    """

    kind: ClassVar[str] = ""

    def __init_subclass__(cls, *, kind: str = "") -> None:
        super().__init_subclass__()
        cls.kind = kind

    def __post_init__(self) -> None:
        for name, hint in declarations(type(self)).items():  # type: ignore[arg-type]
            value = getattr(self, name)
            try:
                object.__setattr__(self, name, accept(hint, value))
            except Unfit:
                raise ValueError(
                    f"{type(self).__name__}.{name} takes {describe(hint)}; "
                    f"got {reprlib.repr(value)}"
                ) from None
        self.check()

    @classmethod
    def members(cls) -> "tuple[type[Config], ...]":
        """Classes that a field of this one takes in its place; by default none but itself."""
        return ()

    def check(self) -> None:
        """Refuses fields that contradict each other; by default none do.

        Raises:
            ValueError: which, and what to do.
        """


@cache
def declarations(cls: type) -> dict[str, object]:
    """What each field takes, by name."""
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def formerly(value: object) -> Mapping[str, object]:
    """Metadata of a field whose default has changed.

    Args:
        value: its first default: what identities leave out, so that they keep their meaning.
    """
    return {_FORMERLY: value}


def keep_former_name(written: str) -> Mapping[str, object]:
    """Metadata of a field that had another name at first.

    Args:
        written: that name: identities keep it, and files that have it are read.
    """
    return {_WRITTEN: written}


class UnknownField(ValueError):
    """A tree has a field that its class lacks; the message names it."""


def encode(value: object) -> Json:
    """The plain JSON tree of a configuration: dataclasses as mappings, tuples as lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _kind(value) | {
            f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)
        }
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return cast("Json", value)


def differences(value: object) -> Json:
    """As `encode`, but each dataclass holds its kind and what differs from its first defaults."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        first = first_names(type(value))
        return _kind(value) | {
            first[name]: differences(getattr(value, name)) for name in list_changed(value)
        }
    if isinstance(value, tuple | list):
        return [differences(item) for item in value]
    return cast("Json", value)


def list_changed(value: object) -> Iterator[str]:
    """Names of the fields that have no default or differ from their first one, in their order."""
    for field in dataclasses.fields(cast("Any", value)):
        has_default, usual = _default(field)
        if not has_default or getattr(value, field.name) != field.metadata.get(_FORMERLY, usual):
            yield field.name


def first_names(cls: type) -> dict[str, str]:
    """By the name of each field, the one that it had at first."""
    fields = dataclasses.fields(cast("Any", cls))
    return {field.name: field.metadata.get(_WRITTEN, field.name) for field in fields}


def encode_canonical(tree: object) -> str:
    """One spelling per JSON tree: sorted keys, no spaces, NaN refused."""
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), allow_nan=False)


def identity(value: object) -> str:
    """The sha256 of a configuration's kind and of what differs from the kind's defaults."""
    return hashlib.sha256(encode_canonical(differences(value)).encode()).hexdigest()


def decode(cls: type[T], tree: object, written_by: object = None) -> T:
    """Builds `cls` from the tree that `encode` made, today or in an earlier version.

    Args:
        cls: class to build.
        tree: its tree.
        written_by: what the file says of the version that wrote it.

    Raises:
        ValueError: a field is not known here, one without a default is missing, a kind is not
            known, or a value is refused; names the field and the version that wrote the file.
    """
    try:
        return compose(cls, tree)
    except ValueError as error:
        remedy = "; use the version that wrote it, or train the model again"
        words = f"{error}{remedy if isinstance(error, UnknownField) else ''}"
        raise ValueError(f"{words} (written by {describe_writer(written_by)})") from error


def compose(cls: type[T], tree: object) -> T:
    """Builds `cls` from a tree that a person wrote, with whole numbers for numbers where they do.

    Raises:
        UnknownField: there is no such field.
        ValueError: a field without a default is missing, a kind is not known, or a value is
            refused; names the field.
    """
    return cast("T", _decode(cls, tree, cls.__name__))


def _kind(value: object) -> dict[str, Json]:
    return {"kind": value.kind} if isinstance(value, Config) and value.kind else {}


def _default(field: "dataclasses.Field[Any]") -> tuple[bool, object]:
    if field.default_factory is not dataclasses.MISSING:
        return True, field.default_factory()
    return field.default is not dataclasses.MISSING, field.default


def _decode(hint: object, tree: object, where: str) -> object:
    hint = strip(hint)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _decode(_member(get_args(hint), tree, where), tree, where)
    if origin is tuple and isinstance(tree, list | tuple):
        items = get_args(hint)
        if Ellipsis in items:
            items = (items[0],) * len(tree)
        if len(items) != len(tree):
            raise ValueError(f"{where}: {len(items)} values are needed, found {len(tree)}")
        pairs = enumerate(zip(items, tree, strict=True))
        return tuple(_decode(h, item, f"{where}[{i}]") for i, (h, item) in pairs)
    if isinstance(hint, type) and issubclass(hint, Config) and (kinds := hint.members()):
        return _decode(_member(kinds, tree, where), tree, where)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _decode_dataclass(hint, tree, where)
    return float(tree) if hint is float and type(tree) is int else tree


def _decode_dataclass(cls: type, tree: object, where: str) -> object:
    if not isinstance(tree, Mapping):
        raise ValueError(f"{where}: expected its fields, found {reprlib.repr(tree)}")
    if isabstract(cls):
        lacking = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise ValueError(f"{where}: {cls.__name__} does not define {lacking}")
    own = dict(tree)
    kind = cls.kind if issubclass(cls, Config) else ""
    if kind and (written := own.pop("kind", kind)) != kind:
        raise ValueError(f"{where}: its kind is {written!r}, that of {cls.__name__} is {kind!r}")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for name, first in first_names(cls).items():
        if first != name and first in own:
            if name in own:
                raise ValueError(f"{where}: {first} is called {name} now; give one of them")
            own[name] = own.pop(first)
    for name in sorted(set(own) - set(fields)):
        raise UnknownField(f"{where}.{name}: this version has no such field")
    for name, field in fields.items():
        if name not in own and not _default(field)[0]:
            raise ValueError(f"{where}.{name} is missing, and has no default")
    hints = get_type_hints(cls, include_extras=True)
    return cls(**{name: _decode(hints[name], own[name], f"{where}.{name}") for name in own})


def _member(members: tuple[object, ...], tree: object, where: str) -> object:
    """The member of a union that the tree spells: by its kind when several are dataclasses."""
    if tree is None:
        return type(None)
    classes = [m for m in members if isinstance(m, type) and dataclasses.is_dataclass(m)]
    others = [m for m in members if m is not type(None) and m not in classes]
    if not isinstance(tree, Mapping):
        return (others or classes)[0]
    if len(classes) == 1:
        return classes[0]
    kinds = {cast("Any", member).kind: member for member in classes}
    if tree.get("kind") not in kinds:
        raise ValueError(
            f"{where}: unknown kind {tree.get('kind')!r}; there are {', '.join(map(repr, kinds))}"
        )
    return kinds[tree["kind"]]
