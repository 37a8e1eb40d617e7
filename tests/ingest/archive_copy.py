"""A small part of the shipped archive, sealed, and the steps of its ingestion."""

import gzip
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from cbi_pipeline import ingest
from cbi_pipeline.feeds import archive
from cbi_pipeline.ledger import Ledger
from cbi_pipeline.warehouse import Warehouse
from tests.records import part, write

WTI = "eia-wti-daily.csv.gz"
CLOCK = archive.read_record().clock


def small_archive(folder: Path) -> Path:
    """A few thousand rows, every line ended by one character, so that texts of them are simple."""
    part(folder, _kept)
    for path in folder.glob("*.csv.gz"):
        write(path, gzip.decompress(path.read_bytes()).decode().replace("\r\n", "\n"))
    archive.seal(folder)
    return folder


def _kept(name: str, year: int) -> bool:
    if name == WTI:
        return year >= 2018
    return year >= 2019 if name.startswith("eia-petroleum") else year in (2015, 2016)


def edit(folder: Path, name: str, old: str, new: str, *, seal: bool = True) -> None:
    path = folder / name
    text = gzip.decompress(path.read_bytes()).decode()
    assert text.count(old) >= 1, f"{old!r} is not in {name}"
    write(path, text.replace(old, new, 1))
    if seal:
        archive.seal(folder)


@dataclass
class Pipe:
    """Ledger, warehouse and archive of one test, and the steps an ingestion takes."""

    home: Path
    archive_dir: Path
    seen_at: datetime = CLOCK

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.home / "ledger")

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.home / "warehouse")

    def run(self) -> ingest.IngestReport:
        source = archive.source(self.archive_dir)
        landed = ingest.land_files(source, self.ledger, self.seen_at)
        judged = ingest.judge(source, landed, self.ledger)
        ingest.require_usable(judged)
        return ingest.commit(landed, judged, self.ledger, self.warehouse)

    def table(self, name: str) -> pl.DataFrame:
        with self.warehouse.read() as store:
            return store.table(name)

    def value(self, series_id: str, period: str) -> float | None:
        with self.warehouse.read() as store:
            known = store.as_of(datetime(2100, 1, 1, tzinfo=UTC), series=[series_id])
        found = known.filter(pl.col("period") == pl.lit(period).str.to_date())
        return found["value"].item() if len(found) else None


def footprint(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file below a folder."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "writer.lock"
    }
