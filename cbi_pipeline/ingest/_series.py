"""The followed series of the archive as rows of ``ref.series``."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from cbi_pipeline.feeds.archive import RECORD, SeriesRecord, series_of
from data_contracts.families import family
from data_contracts.reference import SERIES


def archive_series(archive_dir: Path) -> pl.DataFrame:
    """Rows of ``ref.series`` for every series the archive's record lists."""
    rows = [_row(record) for record in series_of(archive_dir)]
    return pl.DataFrame(rows, schema=SERIES.dtypes).sort("series_id")


def _row(record: SeriesRecord) -> dict[str, str]:
    return {
        "series_id": record.id,
        "family": record.family,
        "name": record.name,
        "unit": record.unit,
        "frequency": record.frequency,
        "dimensions": "{}",
        "source": f"{RECORD}: {', '.join(record.files)}",
        "rights": record.rights,
        "contract_version": family(record.family).version,
    }
