"""The versions of a report: several series whose values of one period stand side by side.

An entry of a report is its columns' values of one period. Each time a column of it becomes public,
is corrected or withdrawn, the whole entry has a new version. Versions carry one number each, so
they carry the place of the entry in a table of entries.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from cbi_pipeline.features.as_of_series import Floats, Ints, Transform, VintageSeries

_EVENT = ("period", "available_at")


def report_versions(columns: Sequence[pl.DataFrame | None]) -> tuple[VintageSeries, Floats]:
    """Versions of a report's entries.

    Args:
        columns: observations of each column, all versions; None where there are none.

    Returns:
        The versions, whose values are places in the second, NaN where the whole entry is withdrawn;
        and the entries, float64 [n, k], NaN where a column has no value.
    """
    events = pl.concat(
        _events(frame, number) for number, frame in enumerate(columns) if frame is not None
    )
    wide = [_side_by_side(events, what, len(columns)) for what in ("value", "assumed")]
    entries, assumed = (frame.drop(_EVENT).to_numpy() for frame in wide)
    ordered = wide[0].with_row_index("place").sort("available_at", "period")
    index = ordered["place"].to_numpy().astype(np.int64)
    versions = VintageSeries(
        period=ordered["period"].to_physical().cast(pl.Int64).to_numpy(),
        available=ordered["available_at"].dt.epoch("us").to_numpy(),
        value=np.where(np.isnan(entries[index]).all(1), np.nan, index),
        assumed=(assumed[index] > 0).any(1),
    )
    return versions, entries


def of_entries(transform: Transform, entries: Floats) -> Transform:
    """A transform of entries as one of their places."""

    def transform_entries(period: Ints, index: Floats) -> Floats:
        return transform(period, entries[index.astype(np.int64)])

    return transform_entries


def _events(observed: pl.DataFrame, number: int) -> pl.DataFrame:
    """What one column says of each period at each instant, NaN where its value was withdrawn."""
    value = pl.when(pl.col("status") == "value").then("value").fill_null(float("nan"))
    newest = observed.sort("version").unique(_EVENT, keep="last")
    return newest.select(
        *_EVENT,
        column=pl.lit(str(number)),
        value=value,
        assumed=(pl.col("available_basis") == "assumed").cast(pl.Float64),
    )


def _side_by_side(events: pl.DataFrame, what: str, width: int) -> pl.DataFrame:
    """One line per event with every column as last said by then, NaN where nothing was."""
    names = [str(number) for number in range(width)]
    wide = events.pivot(on="column", index=_EVENT, values=what).sort(_EVENT)
    lacking = [pl.lit(None, pl.Float64).alias(name) for name in names if name not in wide.columns]
    return wide.with_columns(lacking).select(
        *_EVENT, pl.col(names).forward_fill().over("period").fill_null(float("nan"))
    )
