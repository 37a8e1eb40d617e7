"""Formulas as values: what a column is computed from, how it reads, how far back it looks.

An expression is built from `Input` leaves by the functions below, evaluated on arrays, and printed
as the formula on the page of features, so that page and numbers cannot part. Each function also
says how many entries of its input it reads and from which entry on it has a value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cbi_pipeline.features import transforms as t
from cbi_pipeline.features.as_of_series import Floats

QUIET = 0.01
"""Floor of a variance relative to the long-run one: flat pump prices are quiet, not void."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What a calendar says of the entries of a price.

    Attributes:
        year: sessions in an ordinary year.
        ready: returns needed before a spread means something.
    """

    year: int
    ready: int


class Span(Enum):
    """A number of entries that depends on the market's own calendar."""

    WEEK = "a week"
    MONTH = "a month"
    YEAR = "a year"
    HALF_YEAR = "half a year"
    READY = "readiness"

    def entries(self, rhythm: Rhythm) -> int:
        """The number on a market."""
        return {
            Span.WEEK: round(rhythm.year / 52),
            Span.MONTH: round(rhythm.year / 12),
            Span.YEAR: rhythm.year,
            Span.HALF_YEAR: (rhythm.year + 1) // 2,
            Span.READY: rhythm.ready,
        }[self]


Argument: TypeAlias = "Expression | Span | float"


@dataclass(frozen=True, slots=True)
class Reach:
    """How far an expression looks.

    Attributes:
        window: newest entries of the input that a value depends on; infinite for all so far.
        warm_up: entries needed before there can be a value.
    """

    window: float
    warm_up: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One function of expressions.

    Attributes:
        text: the formula, with a place for each argument.
        compute: arrays and numbers to an array.
        reach: numbers among the arguments to what it adds to the reach of its inputs, as
            (entries read, entries before the first value).
    """

    text: str
    compute: Callable[..., Floats]
    reach: Callable[..., tuple[float, int]] = lambda *_: (0, 0)


@dataclass(frozen=True, slots=True)
class Input:
    """A column of what is read.

    Attributes:
        source: what is read.
        name: price, session or value.
    """

    source: object
    name: str


@dataclass(frozen=True, slots=True)
class Expression:
    """A formula.

    Attributes:
        operation: function, None where ``arguments`` is one input.
        arguments: expressions, spans and numbers.
        label: short name that stands for the formula where it is part of another.
    """

    operation: Operation | None
    arguments: tuple[Argument | Input, ...]
    label: str = field(default="", compare=False)

    def __str__(self) -> str:
        if self.operation is None:
            (leaf,) = self.arguments
            assert isinstance(leaf, Input)
            return leaf.name
        return self.operation.text.format(*map(_text, self.arguments))

    def inputs(self) -> Iterator[Input]:
        """Every leaf, once for each time it stands in the formula."""
        for argument in self.arguments:
            if isinstance(argument, Input):
                yield argument
            elif isinstance(argument, Expression):
                yield from argument.inputs()

    def list_labelled(self) -> dict[str, Expression]:
        """The formulas that stand in this one under a label, the innermost first."""
        inner: dict[str, Expression] = {}
        for argument in self.arguments:
            if isinstance(argument, Expression):
                inner |= argument.list_labelled()
                if argument.label:
                    inner[argument.label] = argument
        return inner

    def reach(self, rhythm: Rhythm) -> Reach:
        """How far it looks on a market."""
        if self.operation is None:
            return Reach(1, 1)
        parts = [a.reach(rhythm) for a in self.arguments if isinstance(a, Expression)]
        numbers = [_number(a, rhythm) for a in self.arguments if isinstance(a, Span | float | int)]
        window, warm_up = self.operation.reach(*numbers)
        return Reach(
            max(part.window for part in parts) + window,
            max(part.warm_up for part in parts) + warm_up,
        )


def evaluate(
    expressions: list[Expression], inputs: Mapping[str, npt.NDArray[Any]], rhythm: Rhythm
) -> list[Floats]:
    """Each expression on arrays [n] of its inputs; what they share is computed once."""

    @cache
    def value(expression: Expression) -> Floats:
        if expression.operation is None:
            (leaf,) = expression.arguments
            assert isinstance(leaf, Input)
            column: Floats = inputs[leaf.name]
            return column
        arguments = (
            value(a) if isinstance(a, Expression) else _number(a, rhythm)
            for a in expression.arguments
        )
        return expression.operation.compute(*arguments)

    return [value(expression) for expression in expressions]


def leaf_names(expressions: Sequence[Expression]) -> tuple[str, ...]:
    """Names of the inputs that some formulas read, in the order in which they stand there."""
    leaves = (leaf.name for expression in expressions for leaf in expression.inputs())
    return tuple(dict.fromkeys(leaves))


def label_formula(label: str, expression: Expression) -> Expression:
    """The same formula under a short name."""
    return Expression(expression.operation, expression.arguments, label)


def column_of(source: object, name: str) -> Expression:
    """A column of what is read, as it is."""
    return Expression(None, (Input(source, name),))


def _text(argument: Argument | Input) -> str:
    if isinstance(argument, Span):
        return argument.value
    if isinstance(argument, Expression):
        return argument.label or str(argument)
    return str(argument)


def _number(argument: Argument | Input, rhythm: Rhythm) -> float:
    if isinstance(argument, Span):
        return argument.entries(rhythm)
    assert isinstance(argument, int | float)
    return argument


def _operation(
    text: str,
    compute: Callable[..., Floats],
    reach: Callable[..., tuple[float, int]] = lambda *_: (0, 0),
) -> Callable[..., Expression]:
    operation = Operation(text, compute, reach)

    def build(*arguments: Argument) -> Expression:
        return Expression(operation, arguments)

    return build


def _total(values: Floats, window: int, least: int) -> Floats:
    total, count = t.moving_sum(values, window)
    return np.where(count >= least, total, 0.0)


def _log_volatility(variance: Floats, long_run: Floats) -> Floats:
    return 0.5 * t.log(t.ratio(np.maximum(variance, QUIET * long_run), long_run))


def _subtract_first(values: Floats) -> Floats:
    return values - t.first_present(values)


def _angle(day: Floats, times: float) -> Floats:
    days = day.astype("datetime64[D]")
    day_of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.float64)
    angle: Floats = times * (2 * np.pi * day_of_year / 365.25)
    return angle


def _years_back(season: int, years: int, least: int) -> tuple[float, int]:
    # Three neighbours a year: the first year in which enough of them are present.
    return years * season + 1, math.ceil(least / 3) * season + 1


log = _operation("log({0})", t.log)
change = _operation("change({0}, {1})", t.change, lambda n: (n, n))
square = _operation("{0}²", lambda x: x**2)
root = _operation("sqrt({0})", np.sqrt)
ratio = _operation("{0} / {1}", t.ratio)
minus = _operation("({0} - {1})", lambda a, b: a - b)
scaled = _operation("{0} / ({1} * sqrt({2}))", lambda x, s, n: t.ratio(x, s * np.sqrt(n)))
moving_mean = _operation(
    "mean of {0} over {1}, at least {2}", t.moving_mean, lambda n, least: (n - 1, least - 1)
)
moving_total = _operation(
    "sum of {0} over {1}, at least {2}", _total, lambda n, least: (n - 1, least - 1)
)
moving_sum = _operation(
    "sum of {0} over {1}", lambda x, n: t.moving_sum(x, n)[0], lambda n: (n - 1, 0)
)
moving_max = _operation("highest {0} over {1}", t.moving_max, lambda n: (n - 1, 0))
moving_deviation = _operation(
    "deviation of {0} over {1}, at least {2}",
    t.moving_deviation,
    lambda n, least: (n - 1, least - 1),
)
seasonal_mean = _operation(
    "mean of {0} around the same week ({1} a year) of the last {2} years, at least {3}",
    t.seasonal_mean,
    _years_back,
)
expanding_mean = _operation(
    "mean of {0} so far, at least {1}", t.expanding_mean, lambda least: (math.inf, least - 1)
)
expanding_deviation = _operation(
    "deviation of {0} so far, at least {1}",
    t.expanding_deviation,
    lambda least: (math.inf, least - 1),
)
exponential_mean = _operation("EWMA({1}) of {0}", t.exponential_mean, lambda _: (math.inf, 0))
log_volatility = _operation(f"log(max({{0}}, {QUIET} * {{1}}) / {{1}}) / 2", _log_volatility)
falls = _operation("({0}² where {0} < 0, else 0)", lambda x: np.where(x < 0, x**2, 0.0))
count = _operation(
    "number of {0} so far",
    lambda x: np.cumsum(~np.isnan(x)).astype(np.float64),
    lambda: (math.inf, 0),
)
anchored = _operation("({0} - its first)", _subtract_first, lambda: (math.inf, 0))
sine = _operation("sin({1} * angle of {0} in the year)", lambda d, k: np.sin(_angle(d, k)))
cosine = _operation("cos({1} * angle of {0} in the year)", lambda d, k: np.cos(_angle(d, k)))
