"""What was known of a revised series at each instant, without replaying every instant.

A series is a list of versions. Replaying it at thousands of instants costs a rebuild each; but as
long as news only adds periods after the newest one known, what was known earlier is a prefix of
what is known later, and a causal transform of the whole is right at every prefix. So the versions
are cut into stretches: a stretch ends where news changes the past (a correction, a withdrawal, a
late period). One transform per stretch gives every instant in it exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

Transform = Callable[[Ints, Floats], Floats]
"""Periods [n] ascending and their values [n] to features [n, k]; row i may use rows 0..i only."""

_Change = tuple[int, int, float, bool]
_Cell = tuple[float, int, bool]
_BEFORE_EVERYTHING = -(2**62)


@dataclass(frozen=True, slots=True, eq=False)
class Versions:
    """Versions of one series, sorted by (available, period, version).

    Attributes:
        period: int64 [n], days since 1970-01-01 or another count that grows with time.
        available: int64 [n], microseconds UTC at which the version became public.
        value: float64 [n], NaN where the version withdraws the value.
        assumed: bool [n], True where ``available`` is a belief nobody recorded.
    """

    period: Ints
    available: Ints
    value: Floats
    assumed: Bools

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, period: pl.Expr, value: pl.Expr) -> Versions:
        """Versions of a frame with ``version``, ``available_at`` and ``available_basis``.

        Args:
            frame: versions of one series, any order.
            period: integer expression of the period.
            value: float expression of the value, null where there is none.
        """
        ordered = frame.select(
            period=period.cast(pl.Int64),
            version="version",
            available=pl.col("available_at").dt.epoch("us"),
            value=value.cast(pl.Float64).fill_null(float("nan")),
            assumed=pl.col("available_basis") == "assumed",
        ).sort("available", "period", "version")
        return cls(
            period=ordered.get_column("period").to_numpy(),
            available=ordered.get_column("available").to_numpy(),
            value=ordered.get_column("value").to_numpy(),
            assumed=ordered.get_column("assumed").to_numpy(),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """What was known at the end of a time in which nothing known was changed.

    Attributes:
        start: first instant of the stretch, microseconds UTC.
        period: int64 [n], ascending.
        value: float64 [n].
        available: int64 [n], non-decreasing: when the value was known, ``start`` if before.
        published: int64 [n], when the value's version became public.
        assumed: bool [n].
    """

    start: int
    period: Ints
    value: Floats
    available: Ints
    published: Ints
    assumed: Bools

    def known(self, instants: Ints) -> Ints:
        """Number of periods known at each instant of the stretch."""
        return np.searchsorted(self.available, instants, side="right")


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A series read at n instants.

    Attributes:
        found: bool [n], False where the period was unknown at the instant; the rest is void there.
        values: float64 [n, k], the transform at the period.
        raw: float64 [n], the untransformed value.
        published: int64 [n], when that value became public, microseconds UTC.
        assumed: bool [n], whether that instant is assumed.
    """

    found: Bools
    values: Floats
    raw: Floats
    published: Ints
    assumed: Bools


def stretches(versions: Versions) -> list[Stretch]:
    """Cuts the versions into stretches, oldest first; none when nothing was ever known."""
    known: dict[int, _Cell] = {}
    newest, start, cut = _BEFORE_EVERYTHING, None, []
    for instant, changes in _events(versions):
        told = {period: cell for period, cell in changes.items() if _tells(cell, period, known)}
        if not told:
            continue
        if start is None:
            start = instant
        elif min(told) <= newest:
            cut.append(_snapshot(start, known))
            start = instant
        _apply(told, known)
        newest = max(known, default=_BEFORE_EVERYTHING) if min(told) <= newest else max(told)
    return cut if start is None else [*cut, _snapshot(start, known)]


def read(
    versions: Versions,
    transform: Transform,
    width: int,
    instants: Ints,
    periods: Ints | None = None,
) -> Reading:
    """Reads a transform of the series as known at each instant.

    Args:
        versions: the series.
        transform: causal transform to ``width`` columns.
        width: columns the transform gives.
        instants: int64 [n], microseconds UTC.
        periods: int64 [n], the period to read at each instant; None for the newest known then.
    """
    size = instants.shape[0]
    reading = Reading(
        found=np.zeros(size, dtype=np.bool_),
        values=np.full((size, width), np.nan),
        raw=np.full(size, np.nan),
        published=np.zeros(size, dtype=np.int64),
        assumed=np.zeros(size, dtype=np.bool_),
    )
    pieces = stretches(versions)
    owner = np.searchsorted([piece.start for piece in pieces], instants, side="right") - 1
    for number, piece in enumerate(pieces):
        asked = np.flatnonzero(owner == number)
        if asked.size and piece.period.size:
            wanted = None if periods is None else periods[asked]
            _fill(reading, piece, transform, asked, instants[asked], wanted)
    return reading


def _fill(
    reading: Reading,
    piece: Stretch,
    transform: Transform,
    asked: Ints,
    instants: Ints,
    wanted: Ints | None,
) -> None:
    known = piece.known(instants)
    if wanted is None:
        place, found = known - 1, known > 0
    else:
        place = np.minimum(np.searchsorted(piece.period, wanted), piece.period.size - 1)
        found = (piece.period[place] == wanted) & (place < known)
    asked, place = asked[found], place[found]
    reading.found[asked] = True
    reading.values[asked] = transform(piece.period, piece.value)[place]
    reading.raw[asked] = piece.value[place]
    reading.published[asked] = piece.published[place]
    reading.assumed[asked] = piece.assumed[place]


def _events(versions: Versions) -> Iterator[tuple[int, dict[int, _Cell]]]:
    """What each instant brought: the last version of every period it touched."""
    rows: Iterator[_Change] = zip(
        versions.available.tolist(),
        versions.period.tolist(),
        versions.value.tolist(),
        versions.assumed.tolist(),
        strict=True,
    )
    for instant, group in groupby(rows, key=itemgetter(0)):
        yield instant, {period: (value, instant, assumed) for _, period, value, assumed in group}


def _tells(cell: _Cell, period: int, known: dict[int, _Cell]) -> bool:
    """A version without a value says something only of a period that had one."""
    return cell[0] == cell[0] or period in known


def _apply(told: dict[int, _Cell], known: dict[int, _Cell]) -> None:
    for period, cell in told.items():
        if cell[0] == cell[0]:
            known[period] = cell
        else:
            del known[period]


def _snapshot(start: int, known: dict[int, _Cell]) -> Stretch:
    ordered = sorted(known.items())
    published = np.array([cell[1] for _, cell in ordered], dtype=np.int64)
    return Stretch(
        start=start,
        period=np.array([period for period, _ in ordered], dtype=np.int64),
        value=np.array([cell[0] for _, cell in ordered], dtype=np.float64),
        available=np.maximum(published, start),
        published=published,
        assumed=np.array([cell[2] for _, cell in ordered], dtype=np.bool_),
    )
