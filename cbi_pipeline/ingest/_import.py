"""Import: files that a person brings, of whichever source."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from cbi_pipeline.feeds import IncompleteResponse, Pull, Source, UnexpectedShape
from cbi_pipeline.ingest._clock import correct_dates, require_clock
from cbi_pipeline.ingest._commit import IngestReport, record
from cbi_pipeline.ingest._land import land_files
from cbi_pipeline.ingest._plausibility import list_sized_families
from cbi_pipeline.ingest._sources import file_sources
from cbi_pipeline.ingest._stored import Stored
from cbi_pipeline.ingest._validate import Judged, require_usable
from cbi_pipeline.ledger import Ledger, bind_warehouse
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import NothingPublished, Warehouse
from data_contracts.restatement import JUMP_CONTEXT, describe_jump, is_jump

Mode = Literal["append", "replace"]


def import_file(
    settings: Settings,
    file: Path,
    *,
    kind: str,
    mode: Mode | None = None,
    confirm: bool = False,
) -> IngestReport:
    """Import a file of a source that the catalogue names.

    Args:
        settings: where ledger and warehouse lie.
        file: the file.
        kind: name of the source.
        mode: as of :func:`import_files`.
        confirm: as of :func:`import_files`.

    Raises:
        ValueError: no such source; lists those there are.
        CatalogueError: its module cannot be used.
        FileNotFoundError: no such file.
        UnexpectedShape, IncompleteResponse, TableRuleBroken, ClockInDoubt, WarehouseError,
            LedgerDamaged: as of :func:`import_files`.
    """
    readers = {name: source for name, source in file_sources(settings).items() if source.series}
    if kind not in readers:
        raise ValueError(f"no file source {kind!r}; there are: {', '.join(readers)}")
    if not file.is_file():
        raise FileNotFoundError(f"{file} is no file")
    reader, url = readers[kind], f"{kind}://{quote(file.name)}"
    carried = tuple(series.id for series in reader.series)
    whole = Pull(file.name, url, carried, date.min, path=file.resolve())
    own = replace(reader, pulls=lambda asked, newest, today: [whole], adds=mode == "append")
    return import_files(settings, own, mode=mode, confirm=confirm)


def import_files(
    settings: Settings, own: Source, *, mode: Mode | None = None, confirm: bool = False
) -> IngestReport:
    """Import the files that a source names. The same files again write nothing.

    Args:
        settings: where ledger and warehouse lie.
        own: the source; ``adds`` where the mode is ``append``.
        mode: what the periods that the files lack are: ``append`` keeps them, ``replace`` withdraws
            them. None is for files that lack none.
        confirm: whether prices that they restate by a unit's factor or a power of ten are meant so.

    Raises:
        ValueError: a series is held in another unit.
        UnexpectedShape: a file is none of its source, or restates prices by a factor that nobody
            confirms.
        IncompleteResponse: periods that are held are not in the files, and no mode says why.
        TableRuleBroken: too many rows break the contract, or none keeps it; shows them.
        ClockInDoubt, WarehouseError, LedgerDamaged: nothing can be written; says what to do.
    """
    settings.make_home()
    warehouse, ledger = bind_warehouse(settings), Ledger(settings.ledger_dir)
    warehouse.check()
    _require_units(warehouse, own)
    now = datetime.now(UTC)
    require_clock(ledger, own.name, now)
    landed = land_files(own, ledger, now)

    def require_meant(judged: Judged) -> None:
        require_usable(judged)
        _require_confirmed(judged, confirm=confirm)
        _require_mode(judged, mode)

    corrected = correct_dates(ledger, warehouse, now)
    judged, report = record(own, landed, ledger, warehouse, require_meant)
    jumps = _describe_jumps(warehouse, own) if report.changed else []
    restated = [
        f"{name}: {detail}, which is confirmed" for name, detail in _list_restated(judged).items()
    ]
    return replace(report, notices=(*corrected, *restated, *jumps))


def _require_units(warehouse: Warehouse, own: Source) -> None:
    units = {series.id: series.unit for series in own.series}
    try:
        with warehouse.read() as store:
            followed = store.table("ref.series")
    except NothingPublished:
        return
    for name, unit in followed.select("series_id", "unit").iter_rows():
        if unit != units.get(name, unit):
            raise ValueError(f"{name} is held in {unit}; convert the file or choose another id")


def _list_restated(judged: Judged) -> dict[str, str]:
    """Series whose stored values a file restates by a factor or in the mass, and how."""
    return {
        name: detail for part in judged.parts for name, (_, detail) in part.doubts.restated.items()
    }


def _require_confirmed(judged: Judged, *, confirm: bool) -> None:
    for name, detail in _list_restated(judged).items():
        if not confirm:
            raise UnexpectedShape(
                judged.source.name.split(":")[0],
                f"{name} is held for confirmation: {detail}",
                "Nothing of it was used: say --confirm if it is meant",
            )


def _require_mode(judged: Judged, mode: Mode | None) -> None:
    """Refuse a file that lacks stored periods while nobody says what that means."""
    for part in judged.parts:
        for absent in part.doubts.absent:
            if mode != "replace" and absent["series_id"] in part.withdrawing:
                raise IncompleteResponse(
                    judged.source.name.split(":")[0],
                    f"{absent['gone']} of {absent['stored']} periods we hold of "
                    f"{absent['series_id']} are not in the file, the first of {absent['first']}",
                    "Nothing of it was used: say --append to keep them, or --replace if the file "
                    "is the whole history and they are to be withdrawn",
                )


def _describe_jumps(warehouse: Warehouse, own: Source) -> list[str]:
    notices, families = [], list_sized_families(own)
    with warehouse.read() as store:
        stored = Stored.read(store, own)
        for series in (series for series in own.series if series.id in families):
            last = own.table.select_sizes(stored.last(series.id, JUMP_CONTEXT))
            if is_jump(last["value"].to_list()):
                period, value = last.select("period", "value").row(-1)
                notices.append(f"{series.id}: {describe_jump(period, value, series.unit)}")
    return notices
