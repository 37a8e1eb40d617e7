"""Screening rows against a contract: ours, pandera on polars and pandera on pandas, same rules.

Every way judges the same rows by the same ten rules and finds the same bad ones. Ours also gives
back the good rows and names rule and offending value of each bad one; pandera names them too, in
its failure cases, and leaves the splitting to the caller. Both the data and its order are those of
a delivery: series after series, periods rising, a few rows bad.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from datetime import UTC, datetime

# Pandera announces on every import how its pandas part is to be imported.
os.environ.setdefault("DISABLE_PANDERA_IMPORT_WARNING", "True")

import numpy as np
import pandas as pd
import pandera.pandas as pandas_schema
import pandera.polars as polars_schema
import polars as pl
from pandera.errors import SchemaErrors

from data_contracts import Contract, Table, column
from data_contracts.core import Instant
from data_contracts.keys import keys_are_unique
from data_contracts.split import RowRule, split

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ["series_id", "period"]
STATUSES = ["value", "missing", "withheld", "withdrawn"]
BASES = ["stamp", "calendar", "first_seen", "assumed"]
LOW, HIGH = -500.0, 1000.0
ROWS_PER_SERIES = 10_000
BAD_ONE_IN = 20_000


class Parsed(Table):
    """The columns of an observation that rules read."""

    series_id: str = column("Series")
    period: pl.Date = column("Period")
    value: float = column("Value", nullable=True)
    unit: str = column("Unit", isin=["USD/bbl"])
    status: str = column("Status", isin=STATUSES)
    available_basis: str = column("Basis", isin=BASES)
    available_at: Instant = column("Public since")


CONTRACT = Contract(table="benchmark.parsed", model=Parsed, key=tuple(KEY))
EXTRA = (
    RowRule("bounds", "value", pl.col("value").is_between(LOW, HIGH) | pl.col("value").is_null()),
    RowRule("not_from_the_future", "available_at", pl.col("available_at") <= NOW),
)


def deliver(rows: int) -> pl.DataFrame:
    """A delivery of ``rows`` rows, one in twenty thousand out of bounds."""
    number = pl.int_range(rows, eager=True).alias("number")
    value = np.random.default_rng(1).normal(80, 20, rows)
    value[BAD_ONE_IN // 2 :: BAD_ONE_IN] = 4000.0
    frame = pl.DataFrame([number, pl.Series("value", value)])
    return frame.select(
        series_id=pl.format(
            "S.{}", (pl.col("number") // ROWS_PER_SERIES).cast(pl.String).str.zfill(6)
        ),
        period=pl.date(1995, 1, 1) + pl.duration(days=pl.col("number") % ROWS_PER_SERIES),
        value="value",
        unit=pl.lit("USD/bbl"),
        status=pl.lit("value"),
        available_basis=pl.lit("assumed"),
        available_at=pl.lit(datetime(2025, 1, 1, tzinfo=UTC), pl.Datetime("us", "UTC")),
    )


def ours(frame: pl.DataFrame) -> int:
    """Split by the contract and the rules beside it, then look for repeated keys."""
    good, rejected = split(frame, CONTRACT, EXTRA)
    assert keys_are_unique(good, KEY)
    return len(rejected)


def with_pandera_polars(frame: pl.DataFrame) -> int:
    """Validate a collected frame lazily, that is with every failure named."""
    return _failures(lambda: _POLARS.validate(frame, lazy=True))


def with_pandera_pandas(frame: pd.DataFrame) -> int:
    """The same on pandas."""
    return _failures(lambda: _PANDAS.validate(frame, lazy=True))


def _failures(run: Callable[[], object]) -> int:
    try:
        run()
    except SchemaErrors as found:
        return len(found.failure_cases)
    return 0


def _finite_polars(data: polars_schema.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_finite() | pl.col(data.key).is_null())


def _columns(schema: object, date: object, instant: object, finite: object) -> dict[str, object]:
    one, check = schema.Column, schema.Check  # type: ignore[attr-defined]
    return {
        "series_id": one(str),
        "period": one(date),
        "value": one(float, [finite, check.in_range(LOW, HIGH)], nullable=True),
        "unit": one(str, check.isin(["USD/bbl"])),
        "status": one(str, check.isin(STATUSES)),
        "available_basis": one(str, check.isin(BASES)),
        "available_at": one(instant, check.le(NOW)),
    }


_POLARS = polars_schema.DataFrameSchema(
    _columns(polars_schema, pl.Date, pl.Datetime("us", "UTC"), polars_schema.Check(_finite_polars)),
    unique=KEY,
    strict=True,
)
_PANDAS = pandas_schema.DataFrameSchema(
    _columns(
        pandas_schema,
        "datetime64[ms]",
        "datetime64[us, UTC]",
        pandas_schema.Check(lambda values: np.isfinite(values) | values.isna()),
    ),
    unique=KEY,
    strict=True,
)


def to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """The same rows as pandas holds them by default."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return frame.to_pandas()
