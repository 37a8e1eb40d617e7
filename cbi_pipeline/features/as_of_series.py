"""What was known of a revised series at each instant, without replaying every instant.

A series is a list of versions. Replaying it at thousands of instants costs a rebuild each; but as
long as news only adds periods after the newest one known, what was known earlier is a prefix of
what is known later, and a causal transform of the whole is right at every prefix. So the versions
are cut into segments: a segment ends where news changes the past (a correction, a withdrawal, a
late period). One transform per segment gives every instant in it exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

Transform = Callable[[Ints, Floats], Floats]
"""Periods [n] ascending and their values [n] to features [n, k]; row i may use rows 0..i only."""


@dataclass(frozen=True, slots=True, eq=False)
class VintageSeries:
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
    def from_frame(cls, frame: pl.DataFrame, period: pl.Expr, value: pl.Expr) -> VintageSeries:
        """Versions of a frame with ``version``, ``available_at`` and ``available_basis``.

        One that a later version of its period overtook before it was public itself is left out.

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
        ).sort("period", "version")
        later = pl.col("available").shift(-1).reverse().cum_min().reverse().over("period")
        overtaken = (pl.col("available") > later).fill_null(value=False)
        ordered = ordered.filter(~overtaken).sort("available", "period", "version")
        return cls(
            period=ordered.get_column("period").to_numpy(),
            available=ordered.get_column("available").to_numpy(),
            value=ordered.get_column("value").to_numpy(),
            assumed=ordered.get_column("assumed").to_numpy(),
        )


@dataclass(frozen=True, slots=True, eq=False)
class RevisionSegment:
    """What was known at the end of a time in which nothing known was changed.

    Attributes:
        start: first instant of the segment, microseconds UTC.
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

    def count_available(self, instants: Ints) -> Ints:
        """Number of periods known at each instant of the segment."""
        return np.searchsorted(self.available, instants, side="right")


@dataclass(frozen=True, slots=True, eq=False)
class AsOfValues:
    """A series read at n instants.

    Attributes:
        has_value: bool [n], False where the period was unknown at the instant; the rest is void.
        values: float64 [n, k], the transform at the period.
        raw: float64 [n], the untransformed value.
        published: int64 [n], when that value became public, microseconds UTC.
        assumed: bool [n], whether that instant is assumed.
    """

    has_value: Bools
    values: Floats
    raw: Floats
    published: Ints
    assumed: Bools


def cut_segments(versions: VintageSeries) -> list[RevisionSegment]:
    """Cuts the versions into segments, oldest first; none when there is no version."""
    periods, row = np.unique(versions.period, return_inverse=True)
    value = np.full(periods.shape, np.nan)
    published = np.zeros(periods.shape, dtype=np.int64)
    assumed = np.zeros(periods.shape, dtype=np.bool_)
    pieces = []
    for first, end in pairwise([*_cuts(versions.available, row), row.shape[0]]):
        # A period published twice at one instant keeps what was said last.
        newest = row[first:end]
        value[newest] = versions.value[first:end]
        published[newest] = versions.available[first:end]
        assumed[newest] = versions.assumed[first:end]
        valued, start = ~np.isnan(value), int(versions.available[first])
        pieces.append(
            RevisionSegment(
                start=start,
                period=periods[valued],
                value=value[valued],
                available=np.maximum(published[valued], start),
                published=published[valued],
                assumed=assumed[valued],
            )
        )
    return pieces


def read(
    versions: VintageSeries,
    transform: Transform,
    width: int,
    instants: Ints,
    periods: Ints | None = None,
) -> AsOfValues:
    """Reads a transform of the series as known at each instant.

    Args:
        versions: the series.
        transform: causal transform to ``width`` columns.
        width: columns the transform gives.
        instants: int64 [n], microseconds UTC.
        periods: int64 [n], the period to read at each instant; None for the newest known then.
    """
    size = instants.shape[0]
    reading = AsOfValues(
        has_value=np.zeros(size, dtype=np.bool_),
        values=np.full((size, width), np.nan),
        raw=np.full(size, np.nan),
        published=np.zeros(size, dtype=np.int64),
        assumed=np.zeros(size, dtype=np.bool_),
    )
    pieces = cut_segments(versions)
    owner = np.searchsorted([piece.start for piece in pieces], instants, side="right") - 1
    for number, piece in enumerate(pieces):
        asked = np.flatnonzero(owner == number)
        if asked.size and piece.period.size:
            wanted = None if periods is None else periods[asked]
            _fill(reading, piece, transform, asked, instants[asked], wanted)
    return reading


def _fill(
    reading: AsOfValues,
    piece: RevisionSegment,
    transform: Transform,
    asked: Ints,
    instants: Ints,
    wanted: Ints | None,
) -> None:
    count = piece.count_available(instants)
    if wanted is None:
        row, has_value = count - 1, count > 0
    else:
        row = np.minimum(np.searchsorted(piece.period, wanted), piece.period.size - 1)
        has_value = (piece.period[row] == wanted) & (row < count)
    asked, row = asked[has_value], row[has_value]
    reading.has_value[asked] = True
    reading.values[asked] = transform(piece.period, piece.value)[row]
    reading.raw[asked] = piece.value[row]
    reading.published[asked] = piece.published[row]
    reading.assumed[asked] = piece.assumed[row]


def _cuts(available: Ints, row: Ints) -> list[int]:
    """Index of the first version of each segment.

    News belongs to the stretch before it when all its periods come after every period named
    until then. Cutting more often than needed would cost time and change nothing.
    """
    if not row.size:
        return []
    event = np.concatenate([[0], np.flatnonzero(np.diff(available)) + 1])
    lowest = np.minimum.reduceat(row, event)
    highest = np.maximum.accumulate(np.maximum.reduceat(row, event))
    changes_the_past = np.concatenate([[True], lowest[1:] <= highest[:-1]])
    cuts: list[int] = event[changes_the_past].tolist()
    return cuts
