"""Small hand-made frames for the warehouse's tests."""

from datetime import UTC, date, datetime, timedelta

import polars as pl

from data_contracts import Contract
from data_contracts.observation import OBSERVATION
from data_contracts.reference import SERIES

INSTANT = pl.Datetime("us", "UTC")
START = datetime(2020, 1, 1, tzinfo=UTC)


def at(day: float) -> datetime:
    """The instant some days after the start."""
    return START + timedelta(days=day)


def period(number: int) -> date:
    """A period; numbers 170 apart lie in different years."""
    return date(2017, 6, 1) + timedelta(days=number)


def parsed(content, *, series="S.A", available=None, basis="calendar", response="response-1"):
    """Parsed rows from {period number: value or None}; ``available`` is one instant or a function
    of the period number."""
    instant = available if callable(available) else lambda number: available
    rows = [
        {
            "series_id": series,
            "period": period(number),
            "value": value,
            "value_text": None if value is None else repr(value),
            "status": "missing" if value is None else "value",
            "available_at": instant(number),
            "available_basis": basis,
            "response_id": response,
            "locator": f"row {number}",
        }
        for number, value in content.items()
    ]
    names = [name for name in OBSERVATION.dtypes if name not in ("version", "seen_at", "txn_id")]
    return pl.DataFrame(rows, schema={name: OBSERVATION.dtypes[name] for name in names})


def reference(*series_ids, unit="USD/bbl"):
    """Rows of ref.series."""
    fixed = {
        "family": "f",
        "name": "n",
        "unit": unit,
        "frequency": "daily",
        "dimensions": "{}",
        "source": "s",
        "rights": "public-domain",
        "contract_version": "1.0.0",
    }
    rows = [{"series_id": series_id, **fixed} for series_id in series_ids]
    return pl.DataFrame(rows, schema=SERIES.dtypes)


def observations(rows):
    """Rows of raw.observation from (series, period number, version, available, seen, value,
    status) tuples, the instants in days since the start."""
    names = ("series_id", "period", "version", "available_at", "seen_at", "value", "status")
    frame = pl.DataFrame(
        [
            dict(zip(names, (s, period(p), v, at(a), at(w), x, st), strict=True))
            for s, p, v, a, w, x, st in rows
        ],
        schema={name: OBSERVATION.dtypes[name] for name in names},
    )
    return frame.with_columns(
        available_basis=pl.lit("calendar"),
        txn_id=pl.lit(1, pl.Int64),
        value_text=pl.lit(None, pl.String),
        response_id=pl.lit("response-1"),
        locator=pl.lit("row"),
    ).select(list(OBSERVATION.dtypes))


def values(frame):
    """{period number: value} of an as-of read of one series."""
    return {
        (day - period(0)).days: value for day, value in frame.select("period", "value").iter_rows()
    }


def rows_for(contract: Contract, count: int) -> pl.DataFrame:
    """Rows that keep a contract, every key different, nulls where they are allowed."""
    columns = {
        name: [_cell(contract, name, number) for number in range(count)] for name in contract.dtypes
    }
    return pl.DataFrame(columns, schema=contract.dtypes)


def _cell(contract: Contract, name: str, number: int):
    column, dtype = contract.columns[name], contract.dtypes[name]
    if column.nullable and number % 2:
        return None
    allowed = [check.statistics for check in column.checks if check.name == "isin"]
    if allowed:
        return next(iter(allowed[0]["allowed_values"]))
    return {
        pl.String: f"a text of {name} number {number:04d}",
        pl.Int64: 200 + number,
        pl.Float64: 0.5 + number / 1000,
        pl.Float32: number / 8,
        pl.Boolean: bool(number % 3),
        pl.Date: period(number),
        pl.Datetime: at(number + 1e-6 / 7),
        pl.List: _cells(dtype, number) if isinstance(dtype, pl.List) else None,
    }[dtype.base_type()]


def _cells(dtype: pl.List, number: int):
    if number == 0:
        return []
    inner = {pl.String: "text", pl.Float32: 1 / 3, pl.Boolean: True}[dtype.inner]
    return [inner] * number


def snapshots(warehouse) -> list[str]:
    """The names of the snapshots that are kept."""
    return sorted(path.name for path in warehouse.published.glob("*.duckdb"))
