"""What a publication costs after a night's few new rows, beside a copy of the whole file.

    python -m benchmarks.publication                    # warehouses of 1 and 3 GB
    python -m benchmarks.publication --quick --json -   # 20 and 60 MB, as one line of JSON

Each warehouse is filled with generated observations. Then, night after night, 400 rows are added
and published; the first nights make the snapshots that later ones are made of and are not counted.
Bytes are those that the kernel was given to write; a copy of the same file takes turns with the
publications.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
import polars as pl

from cbi_pipeline.warehouse import Warehouse
from cbi_pipeline.warehouse._publication import KEPT_SNAPSHOTS
from data_contracts import contract

SIZES_MB, QUICK_SIZES_MB = (1000, 3000), (20, 60)
NIGHTS, ROWS_A_NIGHT, SERIES, ROWS_A_PART = 5, 400, 200, 500_000
TABLE = "raw.observation"
COLUMNS = {
    "series_id": f"'S.' || (i % {SERIES})",
    "period": f"DATE '1700-01-01' + CAST(i // {SERIES} AS INTEGER)",
    "version": "1",
    "value": "random() * 100",
    "value_text": "CAST(random() * 100 AS VARCHAR)",
    "status": "'value'",
    "available_at": f"TIMESTAMPTZ '1700-01-02' + to_days(CAST(i // {SERIES} AS INTEGER))",
    "available_basis": "'stamp'",
    "seen_at": "TIMESTAMPTZ '2026-01-01'",
    "txn_id": "1",
    "response_id": "'r' || (i // 1000)",
    "locator": "'row ' || i",
}


@dataclass(frozen=True)
class Cost:
    """What one night's publication cost.

    Attributes:
        megabytes: size of the written file.
        published_s: seconds to publish, median.
        published_bytes: bytes written by it, median.
        copied_s: seconds to copy the same file and force it to disk, median.
        copied_bytes: bytes written by that.
    """

    megabytes: int
    published_s: float
    published_bytes: int
    copied_s: float
    copied_bytes: int

    @property
    def share(self) -> float:
        """Of the bytes of a whole copy, those that a publication writes."""
        return self.published_bytes / self.copied_bytes


def measure(folder: Path, megabytes: int) -> Cost:
    """Fill a warehouse and publish some nights of it."""
    warehouse, file = Warehouse(folder), folder / "cbi.duckdb"
    rows = fill(warehouse, file, megabytes * 1_000_000)
    published, copied = [], []
    for night in range(KEPT_SNAPSHOTS + NIGHTS):
        add_rows(warehouse, rows + night * ROWS_A_NIGHT)
        os.sync()
        cost = timed(lambda: warehouse.publish())
        if night >= KEPT_SNAPSHOTS:
            published.append(cost)
            copied.append(timed(lambda: copy_durably(file, folder / "copy")))
    seconds, written = (statistics.median(column) for column in zip(*published, strict=True))
    copied_s, copied_bytes = (statistics.median(column) for column in zip(*copied, strict=True))
    return Cost(
        megabytes=file.stat().st_size // 1_000_000,
        published_s=round(seconds, 3),
        published_bytes=int(written),
        copied_s=round(copied_s, 3),
        copied_bytes=int(copied_bytes),
    )


def fill(warehouse: Warehouse, file: Path, size: int) -> int:
    """Give a warehouse so many bytes of observations; the number of rows."""
    with warehouse.write():
        pass
    names = list(contract(TABLE).dtypes)
    select = ", ".join(f"{COLUMNS.get(name, 'NULL')} AS {name}" for name in names)
    rows = 0
    with duckdb.connect(str(file)) as connection:
        connection.execute("SET threads = 1")
        while file.stat().st_size < size:
            connection.execute(
                f"INSERT INTO {TABLE} SELECT {select} FROM range({rows}, {rows + ROWS_A_PART}) t(i)"
            )
            connection.execute("CHECKPOINT")
            rows += ROWS_A_PART
    return rows


def add_rows(warehouse: Warehouse, first: int) -> None:
    """Add a night's rows."""
    select = ", ".join(f"{COLUMNS.get(name, 'NULL')} AS {name}" for name in contract(TABLE).dtypes)
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT {select} FROM range({first}, {first + ROWS_A_NIGHT}) t(i)"
        )
        frame = pl.DataFrame(rows.to_arrow_table()).cast(pl.Schema(contract(TABLE).dtypes))
    with warehouse.write() as store:
        store.append(TABLE, frame)


def copy_durably(source: Path, target: Path) -> None:
    """Copy a whole file."""
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def timed(action: Callable[[], object]) -> tuple[float, int]:
    """Seconds that something takes and bytes that it writes."""
    before, began = written_bytes(), time.perf_counter()
    action()
    return time.perf_counter() - began, written_bytes() - before


def written_bytes() -> int:
    """Bytes that this process ever gave the kernel to write."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["wchar"])


def main() -> None:
    """Measure every size and print it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true", help="two small warehouses")
    options.add_argument("--json", type=Path, help="write the figures there; - prints them")
    chosen = options.parse_args()
    costs = []
    for size in QUICK_SIZES_MB if chosen.quick else SIZES_MB:
        with tempfile.TemporaryDirectory() as folder:
            costs.append(measure(Path(folder), size))
    text = json.dumps([asdict(cost) | {"share": round(cost.share, 5)} for cost in costs])
    if str(chosen.json) == "-":
        print(text)
        return
    if chosen.json:
        chosen.json.write_text(text + "\n")
    print("      MB  published s  MB written  copied s  MB written")
    for cost in costs:
        print(
            f"{cost.megabytes:8,}  {cost.published_s:11.3f}  {cost.published_bytes / 1e6:10.1f}"
            f"  {cost.copied_s:8.3f}  {cost.copied_bytes / 1e6:10,.1f}"
        )


if __name__ == "__main__":
    main()
