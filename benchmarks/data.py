"""What point-in-time truth costs: screening, the state, a night, and reads as of an instant.

    python benchmarks/data.py [--quick] [--json FILE]

``--quick`` takes a tenth of the rows; ``--json -`` prints the figures as JSON. Every figure is a
median of five rounds. The ways that a ratio compares take turns inside each round, in this one
process, so that a busy machine slows them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from cbi_pipeline.warehouse import Store, Warehouse
from cbi_pipeline.warehouse._state import digest, hash_blocks, state_columns
from data_contracts.observation import OBSERVATION
from data_contracts.reference import SERIES
from data_contracts.versioned import OBSERVATIONS

# Runs as a module and as a file.
if __package__:
    from benchmarks import split
else:
    import split

REPEATS = 5
ROWS_PER_SERIES = 10_000
REVISED_SHARE = 0.05
NOW = datetime(2026, 1, 1, tzinfo=UTC)
READ = "series_id, period, version, value, available_at, available_basis"


@dataclass(frozen=True, slots=True)
class Figure:
    """One way of doing something, and how it compares with another.

    Attributes:
        seconds: median of the repeats.
        ratio: seconds over those of the figure named in ``against``.
    """

    name: str
    rows: int
    seconds: float
    against: str = ""
    ratio: float | None = None


def main() -> None:
    """Measure, print a table, write JSON where asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="a tenth of the rows")
    arguments.add_argument("--json", metavar="FILE", help="write the figures here, - for stdout")
    chosen = arguments.parse_args()
    rows = 100_000 if chosen.quick else 1_000_000
    figures = [*measure_split(rows), *measure_split(10 * rows), *measure(rows)]
    text = json.dumps({"machine": machine(), "figures": [asdict(one) for one in figures]}, indent=1)
    if chosen.json == "-":
        sys.stdout.write(text + "\n")
        return
    print(table(figures))
    if chosen.json:
        Path(chosen.json).write_text(text + "\n")


def measure(rows: int) -> list[Figure]:
    """All figures on one database of about ``rows`` observations."""
    with tempfile.TemporaryDirectory() as folder, Warehouse(Path(folder)).write() as store:
        names = fill(store, rows)
        return [*measure_state(store, rows, names), *measure_reads(store, rows, names, folder)]


def fill(store: Store, rows: int) -> list[str]:
    """Series of daily values, known a week after their day, some revised a year later."""
    number = np.arange(rows)
    first = pl.DataFrame({"number": number}).select(
        series_id=pl.format("S.{}", pl.col("number") // ROWS_PER_SERIES),
        period=pl.date(1995, 1, 1) + pl.duration(days=pl.col("number") % ROWS_PER_SERIES),
        version=pl.lit(1, pl.Int64),
        value=pl.Series(np.random.default_rng(1).normal(80, 20, rows)),
    )
    revised = first.sample(fraction=REVISED_SHARE, seed=2).with_columns(
        version=pl.lit(2, pl.Int64), value=pl.col("value") + 1
    )
    every = complete_rows(pl.concat([first, revised]))
    names = first["series_id"].unique().sort().to_list()
    with store.transaction():
        store.replace("ref.series", reference(names))
        store.append("raw.observation", every)
    return names


def complete_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Give rows of series_id, period, version and value the other columns of an observation."""
    known = pl.col("period").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return rows.with_columns(
        available_at=known + pl.duration(days=7 + 365 * (pl.col("version") - 1)),
        available_basis=pl.lit("calendar"),
        seen_at=pl.lit(NOW, pl.Datetime("us", "UTC")),
        txn_id=pl.lit(1, pl.Int64),
        value_text=pl.col("value").cast(pl.String),
        status=pl.lit("value"),
        response_id=pl.lit("response of the benchmark"),
        locator=pl.lit("row"),
    ).select(list(OBSERVATION.dtypes))


def reference(names: list[str]) -> pl.DataFrame:
    """Rows of ref.series."""
    fixed = {
        "family": "benchmark",
        "name": "generated",
        "unit": "USD/bbl",
        "frequency": "daily",
        "dimensions": "{}",
        "source": "generated",
        "rights": "public-domain",
        "contract_version": "1.0.0",
    }
    return pl.DataFrame([{"series_id": name, **fixed} for name in names], schema=SERIES.dtypes)


def measure_state(store: Store, rows: int, names: list[str]) -> list[Figure]:
    """The state from scratch, as it is kept, and at an instant inside the record."""
    units = dict.fromkeys(names, "USD/bbl")
    columns = ", ".join(state_columns(OBSERVATIONS))

    def from_scratch() -> str:
        everything = store.query(f"SELECT {columns} FROM raw.observation")
        return digest(hash_blocks(everything), units)

    if from_scratch() != store.state(NOW, names):
        raise SystemExit("the kept state differs from the one from scratch")
    night = iter(range(10_000))

    def one_night() -> str:
        day = NOW + timedelta(days=next(night))
        with store.transaction():
            store.record(tonight(names, day), seen_at=day, txn_id=1)
            return store.state(day, names)

    return compared(
        {
            "state from scratch": (rows, from_scratch),
            "state as kept": (len(names), lambda: store.state(NOW, names)),
            "state of ten years ago": (
                rows,
                lambda: store.state(NOW - timedelta(days=3650), names),
            ),
            "a night: one new value a series, and the state": (len(names), one_night),
        }
    )


def tonight(names: list[str], day: datetime) -> pl.DataFrame:
    """One parsed row a series."""
    rows = pl.DataFrame({"series_id": names}).with_columns(
        period=pl.lit(day.date()), version=pl.lit(1, pl.Int64), value=pl.lit(80.0)
    )
    return complete_rows(rows).drop("version", "seen_at", "txn_id")


def measure_reads(store: Store, rows: int, names: list[str], folder: str) -> list[Figure]:
    """Reads as of an instant against the same reads of a table that holds only current values."""
    ever = NOW + timedelta(days=20_000)
    few = names[:: max(1, len(names) // 10)]
    connection = duckdb.connect(str(Path(folder) / "current.duckdb"))
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("frame", store.as_of(ever))
    connection.execute("CREATE TABLE current AS SELECT * FROM frame")
    whole = f"SELECT {READ} FROM current ORDER BY series_id, period"
    part = f"SELECT {READ} FROM current WHERE series_id = ANY(?) ORDER BY series_id, period"

    def read(sql: str, params: list[list[str]]) -> pl.DataFrame:
        return pl.DataFrame(connection.execute(sql, params).to_arrow_table())

    if not store.as_of(ever).equals(read(whole, [])):
        raise SystemExit("the read as of now differs from the table of current values")
    return [
        *compared(
            {
                "current table, all series": (rows, lambda: read(whole, [])),
                "as-of read, all series": (rows, lambda: store.as_of(ever)),
            }
        ),
        *compared(
            {
                "current table, few series": (rows, lambda: read(part, [few])),
                "as-of read, few series": (rows, lambda: store.as_of(ever, series=few)),
            }
        ),
    ]


def measure_split(rows: int) -> list[Figure]:
    """Screening of one delivery by three ways that find the same bad rows."""
    delivery = split.deliver(rows)
    of_pandas = split.to_pandas(delivery)
    ways = {
        "split with reasons, ours": (rows, lambda: split.ours(delivery)),
        "the same rules, pandera polars": (rows, lambda: split.with_pandera_polars(delivery)),
        "the same rules, pandera pandas": (rows, lambda: split.with_pandera_pandas(of_pandas)),
    }
    found = {name: run() for name, (_, run) in ways.items()}
    if len(set(found.values())) != 1:
        raise SystemExit(f"the ways find different numbers of bad rows: {found}")
    return compared(ways)


def compared(ways: Mapping[str, tuple[int, Callable[[], object]]]) -> list[Figure]:
    """Median seconds of each way, taking turns, and its ratio to the first."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(1 + REPEATS):
        for name, (_, run) in ways.items():
            start = time.perf_counter()
            run()
            # The first turn warms caches and does not count.
            if turn:
                taken[name].append(time.perf_counter() - start)
    first, *_ = ways
    base = statistics.median(taken[first])
    figures = []
    for name, (rows, _) in ways.items():
        seconds = statistics.median(taken[name])
        against = ("", None) if name == first else (first, seconds / base)
        figures.append(Figure(name, rows, seconds, *against))
    return figures


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    return {
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
        "polars": pl.__version__,
    }


def table(figures: list[Figure]) -> str:
    """The figures as lines of text."""
    lines = [f"{'':50} {'rows':>10} {'seconds':>9}  ratio"]
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.3g} of {figure.against}"
        lines.append(f"{figure.name:50} {figure.rows:10,} {figure.seconds:9.4f}  {ratio}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
