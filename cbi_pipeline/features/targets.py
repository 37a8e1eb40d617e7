"""Targets: what the price did after a row, and when that became public."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import polars as pl

from cbi_pipeline.catalogue import Catalogue, Commodity
from cbi_pipeline.features.as_of_series import Bools, Floats, Ints, RevisionSegment, cut_segments
from cbi_pipeline.features.origins import price_versions
from cbi_pipeline.market import find_outcomes, name_target_sessions
from data_contracts.features import TARGET

ORIGIN = ("commodity", "session", "horizon")
KEY = (*ORIGIN, "version")
# Two machines may disagree on the last bits of a logarithm; no correction of a price is so small.
LAST_BITS = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class _Outcome:
    """Targets of all origins of one commodity at one horizon; void where it does not ``exist``."""

    exists: Bools
    session: Ints
    value: Floats
    price: Floats
    available: Ints


def build_targets(
    prices: pl.DataFrame,
    rows: pl.DataFrame,
    catalogue: Catalogue,
    as_of: datetime,
    existing: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Rows of ``features.target`` public at or before ``as_of`` that are not in ``existing``.

    The outcome is the price of the session that a forecast from the origin names: the h-th of the
    commodity's calendar, or the first with a price within a week after it, as known at the time. A
    target becomes public with the later of its two prices. When a price is corrected, withdrawn
    or turns up late, every target it changes gets a further version from that instant on. The
    value is a log return where both prices are positive, else null with the price beside it.

    A price may reach us long after it became public and alter targets already built. Those stay as
    they were told; the outcome as now known follows as one further version.

    Args:
        prices: every version of every commodity's price (``market.session``).
        rows: origins (``features.origin``).
        catalogue: commodities with their horizons.
        as_of: aware instant.
        existing: targets built before, all versions.
    """
    frames = [TARGET.empty()]
    for commodity in catalogue.commodities:
        pieces = cut_segments(price_versions(prices, commodity.id))
        own = rows.filter(pl.col("commodity") == commodity.id)
        days = own.get_column("session").sort().to_physical().cast(pl.Int64).to_numpy()
        frames += [
            _frame(list(_changes(pieces, days, named)), days).with_columns(
                commodity=pl.lit(commodity.id), horizon=pl.lit(h)
            )
            for h, named in _name_sessions(commodity, days)
        ]
    built = pl.concat([_cast_columns(frame) for frame in frames])
    built = built.filter(pl.col("available_at") <= as_of)
    return built if existing is None else _select_unstored(built, existing, rows, catalogue, as_of)


def _select_unstored(
    built: pl.DataFrame,
    existing: pl.DataFrame,
    rows: pl.DataFrame,
    catalogue: Catalogue,
    as_of: datetime,
) -> pl.DataFrame:
    """What ``existing`` lacks: versions that follow on the stored ones, or a corrected outcome.

    Versions are counted anew from all prices, so their numbers mean the same as the stored ones
    only while the stored versions are the first of those built.
    """
    fresh = built.join(existing, on=KEY, how="anti")
    stored = _select_asked(existing, rows, catalogue)
    alike = _is_alike().and_(pl.col("available_at") == pl.col("available_at_now")).fill_null(False)
    parted = stored.join(built, on=KEY, how="left", suffix="_now").filter(~alike)
    if parted.is_empty():
        return fresh
    late = _correct_outcomes(
        _select_newest(stored.join(parted, on=ORIGIN, how="semi")), _select_newest(built), as_of
    ).select(list(TARGET.dtypes))
    return pl.concat([fresh.join(parted, on=ORIGIN, how="anti"), late])


def _correct_outcomes(stored: pl.DataFrame, now: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """A further version of each target whose newest stored outcome is not the one known now.

    An outcome that became public after the newest stored version keeps its instant. One that
    should have been there earlier gets ``as_of``: prices do not say when they reached us, but it
    was after the stored versions were built, and an instant in the past would change what was
    already answered as of then. A target with no outcome any more is withdrawn. Where something
    later than ``as_of`` is stored, nothing can be said in its place.
    """
    built = pl.lit(as_of.astimezone(UTC)).cast(TARGET.dtypes["available_at"])
    public = pl.col("available_at_now") > pl.col("available_at")
    return (
        stored.filter(pl.col("available_at") <= as_of)
        .join(now, on=ORIGIN, how="left", suffix="_now")
        .with_columns(pl.col("target_session_now").fill_null(pl.col("target_session")))
        .filter(~_is_alike())
        .select(
            *ORIGIN,
            pl.col("version") + 1,
            target_session="target_session_now",
            value="value_now",
            price="price_now",
            available_at=pl.when(public).then("available_at_now").otherwise(built),
        )
    )


def _is_alike() -> pl.Expr:
    """Whether a stored outcome and the one known now are the same."""
    value, now = pl.col("value"), pl.col("value_now")
    return (
        pl.col("target_session").eq_missing(pl.col("target_session_now"))
        & pl.col("price").eq_missing(pl.col("price_now"))
        & (value.is_null() == now.is_null())
        & ((value - now).abs() <= LAST_BITS).fill_null(True)
    )


def _select_asked(existing: pl.DataFrame, rows: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """Stored targets of the rows and horizons built now; the others were not looked at."""
    steps = [(c.id, h) for c in catalogue.commodities for h in c.steps]
    schema = {name: TARGET.dtypes[name] for name in ("commodity", "horizon")}
    horizons = pl.DataFrame(steps, schema=schema, orient="row")
    return existing.join(rows, on=ORIGIN[:2], how="semi").join(
        horizons, on=["commodity", "horizon"], how="semi"
    )


def _select_newest(targets: pl.DataFrame) -> pl.DataFrame:
    return targets.filter(pl.col("version") == pl.col("version").max().over(ORIGIN))


def _name_sessions(commodity: Commodity, origins: Ints) -> list[tuple[int, Ints]]:
    calendar = commodity.calendar
    return [(h, name_target_sessions(calendar, origins, h)) for h in commodity.steps]


def _changes(pieces: list[RevisionSegment], origins: Ints, named: Ints) -> Iterator[_Outcome]:
    """The outcomes that each segment takes away, then those it adds or alters, oldest first."""
    before = _make_unknown(origins.shape[0])
    for piece in pieces:
        now = _outcome(piece, origins, named)
        lost = before.exists & ~(now.exists & (now.available <= piece.start))
        yield replace(
            before,
            exists=lost,
            value=np.full(lost.shape, np.nan),
            price=np.full(lost.shape, np.nan),
            available=np.full(lost.shape, piece.start),
        )
        yield replace(now, exists=now.exists & ~_same(before, now))
        before = now


def _outcome(piece: RevisionSegment, origins: Ints, named: Ints) -> _Outcome:
    size = piece.period.shape[0]
    if not size:
        return _make_unknown(origins.shape[0])
    start = np.minimum(np.searchsorted(piece.period, origins), size - 1)
    end = find_outcomes(named, piece.period)
    exists = (piece.period[start] == origins) & (end >= 0)
    start, end = np.where(exists, start, 0), np.where(exists, end, 0)
    first, last = piece.value[start], piece.value[end]
    positive = (first > 0) & (last > 0)
    value = np.log(np.where(positive, last, 1.0)) - np.log(np.where(positive, first, 1.0))
    return _Outcome(
        exists=exists,
        session=piece.period[end],
        value=np.where(positive, value, np.nan),
        price=last,
        available=np.maximum(piece.available[start], piece.available[end]),
    )


def _make_unknown(size: int) -> _Outcome:
    nothing = np.zeros(size, dtype=np.int64)
    absent = np.full(size, np.nan)
    return _Outcome(np.zeros(size, dtype=np.bool_), nothing, absent, absent, nothing)


def _same(left: _Outcome, other: _Outcome) -> Bools:
    value = (left.value == other.value) | (np.isnan(left.value) & np.isnan(other.value))
    same: Bools = (
        left.exists & (left.session == other.session) & (left.price == other.price) & value
    )
    return same


def _frame(outcomes: list[_Outcome], origins: Ints) -> pl.DataFrame:
    """The outcomes as rows, versions counted in order of knowledge."""
    parts = [
        pl.DataFrame(
            {
                "session": origins[o.exists],
                "target_session": o.session[o.exists],
                "value": pl.Series(o.value[o.exists], nan_to_null=True),
                "price": pl.Series(o.price[o.exists], nan_to_null=True),
                "available_at": o.available[o.exists],
            },
            schema_overrides={"session": pl.Int64, "target_session": pl.Int64},
        )
        for o in outcomes
        if o.exists.any()
    ]
    if not parts:
        return pl.DataFrame(schema=dict(TARGET.dtypes)).drop("commodity", "horizon")
    return pl.concat(parts).with_columns(
        version=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("session"),
    )


def _cast_columns(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        pl.col(name).cast(pl.Int32).cast(dtype)
        if dtype == pl.Date() and frame.schema[name] != pl.Date()
        else pl.col(name).cast(dtype)
        for name, dtype in TARGET.dtypes.items()
    )
