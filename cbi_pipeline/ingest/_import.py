"""Import: files that a person brings, of whichever source."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import polars as pl

from cbi_pipeline.feeds import IncompleteResponse, Pull, Source, UnexpectedShape
from cbi_pipeline.ingest._clock import require_clock
from cbi_pipeline.ingest._commit import IngestReport, commit
from cbi_pipeline.ingest._files import require
from cbi_pipeline.ingest._judged import Judged
from cbi_pipeline.ingest._land import land_files
from cbi_pipeline.ingest._sources import file_sources
from cbi_pipeline.ingest._stage import Held
from cbi_pipeline.ingest._validate import judge
from cbi_pipeline.ledger import Ledger, bind_warehouse
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse
from data_contracts.families import family
from data_contracts.family import Family
from data_contracts.own_history import OWN_HISTORY
from data_contracts.restatement import describe_jump, find_restatements, is_jump
from data_contracts.shape import Shape

Mode = Literal["append", "replace"]

#: Sizes mean something where a price is measured: an own history's contract claims nothing of them.
_PRICED = replace(OWN_HISTORY, shape=Shape(scale_limit=20.0))


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
    readers = {name: one for name, one in file_sources(settings).items() if one.series}
    if kind not in readers:
        raise ValueError(f"no file source {kind!r}; there are: {', '.join(readers)}")
    if not file.is_file():
        raise FileNotFoundError(f"{file} is no file")
    reader, url = readers[kind], f"{kind}://{quote(file.name)}"
    carried = tuple(one.id for one in reader.series)
    whole = Pull(file.name, url, carried, date.min, path=file.resolve())
    own = replace(reader, pulls=lambda asked, held, today: [whole], adds=mode == "append")
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
    with Held.published(warehouse, own) as held:
        judged = judge(own, landed, ledger, held)
    require(judged)
    confirmed: list[str] = []

    def withdraws(store: Store) -> bool:
        confirmed[:] = _require_confirmed(store, own, judged, confirm=confirm)
        return _withdraws(store, own, judged, mode)

    report = commit(own, landed, judged, ledger, warehouse, held=held, withdraws=withdraws)
    jumps = _jumps(warehouse, own) if report.changed else []
    return replace(report, notices=(*report.notices, *confirmed, *jumps))


def _require_units(warehouse: Warehouse, own: Source) -> None:
    units = {one.id: one.unit for one in own.series}
    try:
        with warehouse.read() as store:
            known = store.table("ref.series")
    except NothingPublished:
        return
    for name, held in known.select("series_id", "unit").iter_rows():
        if held != units.get(name, held):
            raise ValueError(f"{name} is held in {held}; convert the file or choose another id")


def _sized(own: Source) -> dict[str, Family]:
    """Families whose rules about sizes hold for series of a file."""
    return {
        one.id: _PRICED if one.family == OWN_HISTORY.name else family(one.family)
        for one in own.series
        if one.family != OWN_HISTORY.name or one.unit.startswith("USD/")
    }


def _require_confirmed(store: Store, own: Source, judged: Judged, *, confirm: bool) -> list[str]:
    """Factors by which held prices are restated and that a person confirms, in words."""
    families = _sized(own)
    good = own.table.sized(pl.concat(rows for rows, _ in judged.rows()))
    ours = pl.col("series_id").is_in(list(families))
    found = find_restatements(good.filter(ours), _values(store, own, families), families)
    if len(found) and not confirm:
        raise UnexpectedShape(
            own.name.split(":")[0],
            f"{found['series_id'][0]} is held for confirmation: {found['detail'][0]}",
            "Nothing of it was used: say --confirm if it is meant",
        )
    return [
        f"{name}: {detail}, which is confirmed"
        for name, detail in found.select("series_id", "detail").iter_rows()
    ]


def _jumps(warehouse: Warehouse, own: Source) -> list[str]:
    notices, families = [], _sized(own)
    with warehouse.read() as store:
        values = _values(store, own, families).drop_nulls("value")
    for one in own.series:
        valued = values.filter(series_id=one.id)
        if is_jump(valued["value"].to_list()):
            period, value = valued.select("period", "value").row(-1)
            notices.append(f"{one.id}: {describe_jump(period, value, one.unit)}")
    return notices


def _values(store: Store, own: Source, series: Collection[str]) -> pl.DataFrame:
    """The newest value of each cell, by series and period; null where there is none."""
    return own.table.sized(Held.read(store, own).cells(series).rows)


def _withdraws(store: Store, own: Source, judged: Judged, mode: Mode | None) -> bool:
    """Whether periods that are held are to be withdrawn, because the file is all there is."""
    # A row set aside is not a row withdrawn: such a file withdraws nothing.
    complete = [name for names in judged.complete for name in names]
    if not complete:
        return False
    cells = Held.read(store, own).cells(complete).rows
    held = cells.filter(pl.col("status") != "withdrawn").select(own.table.cell)
    good = pl.concat(rows for rows, _ in judged.rows())
    gone = held.join(good, on=own.table.cell, how="anti").sort(own.table.cell)
    if gone.is_empty() or mode == "replace":
        return len(gone) > 0
    series, first = gone.row(0)
    few, many = len(gone.filter(series_id=series)), len(held.filter(series_id=series))
    raise IncompleteResponse(
        own.name.split(":")[0],
        f"{few} of {many} periods we hold of {series} are not in the file, the first of {first}",
        "Nothing of it was used: say --append to keep them, or --replace if the file is the whole "
        "history and they are to be withdrawn",
    )
