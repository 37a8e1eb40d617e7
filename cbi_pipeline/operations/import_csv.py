"""Import a person's own history from a CSV file."""

from __future__ import annotations

from pathlib import Path

from cbi_pipeline.feeds import csv_import
from cbi_pipeline.feeds.own_reading import Reading
from cbi_pipeline.ingest import IngestReport, Mode, file_sources, import_files, live_feeds
from cbi_pipeline.settings import Settings


def import_csv(
    settings: Settings,
    file: Path,
    *,
    series: str,
    unit: str,
    source: str,
    name: str | None = None,
    mode: Mode | None = None,
    confirm: bool = False,
    reading: Reading = csv_import.PLAIN,
) -> IngestReport:
    """Import a file of one series, by itself a CSV with the columns ``period`` and ``value``.

    Unless its reading says more, every row becomes known at the import (basis ``first_seen``): when
    the public knew it is not ours to claim. The same file again writes nothing.

    Args:
        settings: where ledger and warehouse lie.
        file: the file.
        series: series id, owner first, e.g. ``DESK.CPO_FOB``; agencies' ids are refused.
        unit: unit of every value, one of the units of the family ``own_history``.
        source: who measured or published it.
        name: title; the id by default.
        mode: what the periods that the file lacks are: ``append`` keeps them, ``replace`` withdraws
            them. None is for a file that lacks none.
        confirm: whether prices that the file restates by a unit's factor or a power of ten are
            meant so.
        reading: how the file is read, and when its values were public.

    Raises:
        ValueError: an argument cannot be used; says what to give.
        FileNotFoundError: no such file.
        UnexpectedShape: the file is no such CSV, or restates prices by a factor that nobody
            confirms.
        IncompleteResponse: periods that are held are not in the file, and no mode says why.
        TableRuleBroken: too many rows break the contract, or none keeps it; shows them.
        ClockInDoubt, WarehouseError, LedgerDamaged: nothing can be written; says what to do.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file} is no file")
    own = csv_import.source(
        file.resolve(), series, unit, source, title=name, adds=mode == "append", reading=reading
    )
    _require_own(settings, series)
    return import_files(settings, own, mode=mode, confirm=confirm)


def _require_own(settings: Settings, series: str) -> None:
    sources = [*live_feeds(settings).values(), *file_sources(settings).values()]
    followed = [series.id for source in sources for series in source.series]
    if series.split(".")[0] in {name.split(".")[0] for name in followed}:
        raise ValueError(f"{series} belongs to an agency's feed; give your own series another id")
