"""What a field of a configuration takes: a choice, a range, a text, a tuple of these.

A field is declared by its type hint. `Literal` lists choices; numbers, texts and tuples carry a
rule, as in `Annotated[int, Range(at_least=1)]`, without which their type alone is checked; other
configurations and None may stand beside them. `accept` checks a value against a hint, `describe`
says the hint in words.
"""

import math
import re
import types
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal, TypeAlias, Union, get_args, get_origin

_WHOLE = 2**63
_NAMES = {bool: "True or False", type(None): "None"}


class Unfit(Exception):
    """A value is none of those that a declaration takes; whoever knows its name says so."""


@dataclass(frozen=True)
class Range:
    """Bounds of a number, which is always finite, and a whole one within 64 bits."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def holds(self, value: float) -> bool:
        """True within every bound."""
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        bounds = {
            "at least": self.at_least,
            "above": self.above,
            "at most": self.at_most,
            "below": self.below,
        }
        stated = {word: bound for word, bound in bounds.items() if bound is not None}
        return " and ".join(f"{word} {bound}" for word, bound in stated.items())


@dataclass(frozen=True)
class Text:
    """The pattern of a text, and what that is in words."""

    pattern: str
    words: str

    def holds(self, value: str) -> bool:
        """True for a text that the whole pattern fits."""
        return re.fullmatch(self.pattern, value) is not None

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Items:
    """How many items a tuple has at least, and how they follow each other."""

    at_least: int = 0
    order: Literal["any", "distinct", "strictly increasing", "never increasing"] = "any"

    def holds(self, items: Sequence[object]) -> bool:
        """True for enough items in that order."""
        return len(items) >= self.at_least and self._is_ordered(items)

    def _is_ordered(self, items: Sequence[object]) -> bool:
        match self.order:
            case "any":
                return True
            case "distinct":
                return len(set(items)) == len(items)
            case "strictly increasing":
                return all(a < b for a, b in pairwise(items))  # type: ignore[operator]
            case "never increasing":
                return all(a >= b for a, b in pairwise(items))  # type: ignore[operator]

    def __str__(self) -> str:
        size = f" of at least {self.at_least}" if self.at_least else ""
        order = f", {self.order}" if self.order != "any" else ""
        return f"a tuple{size}{order}"


Count: TypeAlias = Annotated[int, Range(at_least=1)]
Natural: TypeAlias = Annotated[int, Range(at_least=0)]
Positive: TypeAlias = Annotated[float, Range(above=0)]
NotNegative: TypeAlias = Annotated[float, Range(at_least=0)]
Share: TypeAlias = Annotated[float, Range(at_least=0, at_most=1)]
PositiveShare: TypeAlias = Annotated[float, Range(above=0, at_most=1)]
ShareBelowOne: TypeAlias = Annotated[float, Range(at_least=0, below=1)]
InsideUnit: TypeAlias = Annotated[float, Range(above=0, below=1)]
Label: TypeAlias = Annotated[str, Text(r"[^\x00-\x1f\x7f]+", "text of one line, not empty")]
FileName: TypeAlias = Annotated[
    str, Text(r"\w[\w.+ -]*", "letters, digits and _ . + - or spaces, a letter or digit first")
]


def accept(hint: object, value: object) -> object:
    """The value in its one spelling: whole numbers become floats where floats are taken.

    Raises:
        Unfit: the hint does not take it.
    """
    rule, bare = _split(hint)
    origin = get_origin(bare)
    if origin in (Union, types.UnionType):
        return _accept_any(get_args(bare), value)
    if origin is tuple:
        return _accept_items(rule, bare, value)
    if kinds := _kinds(bare):
        return _accept_any(kinds, value)
    if bare in (int, float):
        return _accept_number(rule, bare, value)
    if _is_choice(bare):
        fits = isinstance(value, str) and value in get_args(bare)
    elif bare is str:
        fits = type(value) is str and (not isinstance(rule, Text) or rule.holds(value))
    else:
        fits = type(value) is bare
    if not fits:
        raise Unfit
    return value


def describe(hint: object) -> str:
    """What the hint takes, in words."""
    rule, bare = _split(hint)
    origin = get_origin(bare)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(member) for member in get_args(bare))
    if origin is tuple:
        items = get_args(bare)
        if Ellipsis not in items:
            return f"a tuple of {len(items)}: " + "; ".join(describe(item) for item in items)
        return f"{rule or 'a tuple'}, each {describe(items[0])}"
    if bare in (int, float):
        name = "a whole number" if bare is int else "a number"
        return f"{name} {rule or ''}".strip()
    if _is_choice(bare):
        return "one of " + ", ".join(repr(choice) for choice in get_args(bare))
    if isinstance(rule, Text):
        return str(rule)
    if kinds := _kinds(bare):
        return " or ".join(kind.__name__ for kind in kinds)
    assert isinstance(bare, type)
    return _NAMES.get(bare, bare.__name__)


def strip(hint: object) -> object:
    """The hint without its rule."""
    return _split(hint)[1]


def _split(hint: object) -> tuple[object, object]:
    """(rule or none, bare hint)."""
    if get_origin(hint) is Annotated:
        bare, rule = get_args(hint)
        return rule, bare
    return None, hint


def _kinds(hint: object) -> tuple[type, ...]:
    """Classes that stand for one whose kinds are not all of this package; none for other hints."""
    return getattr(hint, "members", tuple)()


def _is_choice(hint: object) -> bool:
    return get_origin(hint) is Literal


def _item_hints(hint: object) -> tuple[object, ...]:
    return tuple(item for item in get_args(hint) if item is not Ellipsis)


def _accept_any(members: Sequence[object], value: object) -> object:
    for member in members:
        try:
            return accept(member, value)
        except Unfit:
            continue
    raise Unfit


def _accept_items(rule: object, hint: object, value: object) -> tuple[object, ...]:
    if type(value) is not tuple:
        raise Unfit
    hints = _item_hints(hint)
    if Ellipsis in get_args(hint):
        hints = hints * len(value)
    if len(hints) != len(value):
        raise Unfit
    items = tuple(accept(h, item) for h, item in zip(hints, value, strict=True))
    if isinstance(rule, Items) and not rule.holds(items):
        raise Unfit
    return items


def _accept_number(rule: object, kind: object, value: object) -> int | float:
    # True is an int to Python, and no number to a person.
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        raise Unfit
    if isinstance(value, int) and not -_WHOLE <= value < _WHOLE:
        raise Unfit
    number = value if kind is int else float(value) + 0.0  # one zero: -0.0 becomes 0.0
    if not math.isfinite(number) or (isinstance(rule, Range) and not rule.holds(number)):
        raise Unfit
    return number
