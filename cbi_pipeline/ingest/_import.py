"""Import a user's own validated history, with its source named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import polars as pl

from cbi_pipeline.feeds import IncompleteResponse, UnexpectedShape, csv_import
from cbi_pipeline.ingest._clock import require_clock
from cbi_pipeline.ingest._commit import IngestReport, commit
from cbi_pipeline.ingest._files import judge_files, require
from cbi_pipeline.ingest._judged import Judged
from cbi_pipeline.ingest._land import land_files
from cbi_pipeline.ingest._sources import live_feeds
from cbi_pipeline.ledger import Ledger, bind_warehouse
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse
from data_contracts.own_history import OWN_HISTORY
from data_contracts.restatement import describe_jump, find_restatements, is_jump
from data_contracts.shape import Shape

Mode = Literal["append", "replace"]

#: Sizes mean something where a price is measured: an own history's contract claims nothing of them.
_PRICED = replace(OWN_HISTORY, shape=Shape(scale_limit=20.0))


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
) -> IngestReport:
    """Import a file with the columns ``period`` and ``value``.

    Every row becomes known at the import (basis ``first_seen``): when the public knew it is not
    ours to claim. The same file again writes nothing.

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
    own = csv_import.source(file.resolve(), series, unit, source, title=name, adds=mode == "append")
    settings.make_home()
    warehouse, ledger = bind_warehouse(settings), Ledger(settings.ledger_dir)
    warehouse.check()
    _require_own(settings, warehouse, series, unit)
    now = datetime.now(UTC)
    require_clock(ledger, csv_import.FEED, now)
    landed = land_files(own, ledger, now)
    judged = judge_files(own, landed, ledger)
    require(judged)

    confirmed: list[str] = []

    def withdraws(store: Store) -> bool:
        confirmed[:] = _require_confirmed(store, series, unit, judged, confirm=confirm)
        return _withdraws(store, series, judged, mode)

    report = commit(own, landed, judged, ledger, warehouse, withdraws)
    jumps = _jumps(warehouse, series, unit) if report.changed else []
    return replace(report, notices=(*report.notices, *confirmed, *jumps))


def _require_own(settings: Settings, warehouse: Warehouse, series: str, unit: str) -> None:
    followed = [one.id for feed in live_feeds(settings).values() for one in feed.series]
    if series.split(".")[0] in {name.split(".")[0] for name in followed}:
        raise ValueError(f"{series} belongs to an agency's feed; give your own series another id")
    try:
        with warehouse.read() as store:
            known = store.table("ref.series", "series_id = ?", [series])
    except NothingPublished:
        return
    if len(known) and known["unit"].item() != unit:
        held = known["unit"].item()
        raise ValueError(f"{series} is held in {held}; convert the file or choose another id")


def _require_confirmed(
    store: Store, series: str, unit: str, judged: Judged, *, confirm: bool
) -> list[str]:
    """Factors by which held prices are restated and that a person confirms, in words."""
    if not unit.startswith("USD/"):
        return []
    good = pl.concat(rows for rows, _ in judged.rows())
    found = find_restatements(good, _values(store, series), {series: _PRICED})
    if len(found) and not confirm:
        raise UnexpectedShape(
            csv_import.FEED,
            f"{series} is held for confirmation: {found['detail'][0]}",
            "Nothing of it was used: say --confirm if it is meant",
        )
    return [f"{series}: {detail}, which is confirmed" for detail in found["detail"]]


def _jumps(warehouse: Warehouse, series: str, unit: str) -> list[str]:
    with warehouse.read() as store:
        valued = _values(store, series).drop_nulls("value")
    if not is_jump(valued["value"].to_list()):
        return []
    period, value = valued.select("period", "value").row(-1)
    return [f"{series}: {describe_jump(period, value, unit)}"]


def _values(store: Store, series: str) -> pl.DataFrame:
    """The newest value of each period, by period; null where there is none."""
    return store.query(
        """
        SELECT series_id, period, value FROM raw.observation WHERE series_id = ?
        QUALIFY version = max(version) OVER (PARTITION BY period) ORDER BY period""",
        [series],
    )


def _withdraws(store: Store, series: str, judged: Judged, mode: Mode | None) -> bool:
    """Whether periods that are held are to be withdrawn, because the file is all there is."""
    # A row set aside is not a row withdrawn: such a file withdraws nothing.
    if mode == "append" or not any(judged.complete):
        return False
    held = store.query(
        """
        SELECT period FROM raw.observation WHERE series_id = ?
        GROUP BY period HAVING max_by(status, version) <> 'withdrawn'""",
        [series],
    )
    good = pl.concat(rows for rows, _ in judged.rows())
    gone = held.join(good, on="period", how="anti")["period"].sort()
    if gone.is_empty() or mode == "replace":
        return len(gone) > 0
    raise IncompleteResponse(
        csv_import.FEED,
        f"{len(gone)} of {len(held)} periods we hold of {series} are not in the file, the first of "
        f"{gone[0]}",
        "Nothing of it was used: say --append to keep them, or --replace if the file is the whole "
        "history and they are to be withdrawn",
    )
