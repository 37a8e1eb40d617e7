"""Import a user's own validated history, with its source named."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import polars as pl

from cbi_pipeline.feeds import IncompleteResponse, csv_import
from cbi_pipeline.ingest._clock import require_clock
from cbi_pipeline.ingest._commit import IngestReport, commit
from cbi_pipeline.ingest._files import judge_files, require
from cbi_pipeline.ingest._judged import Judged
from cbi_pipeline.ingest._land import land_files
from cbi_pipeline.ingest._sources import live_feeds
from cbi_pipeline.ledger import Ledger, bind_warehouse
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse

Mode = Literal["append", "replace"]


def import_csv(
    settings: Settings,
    file: Path,
    *,
    series: str,
    unit: str,
    source: str,
    name: str | None = None,
    mode: Mode | None = None,
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

    Raises:
        ValueError: an argument cannot be used; says what to give.
        FileNotFoundError: no such file.
        UnexpectedShape: the file is no such CSV.
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

    def withdraws(store: Store) -> bool:
        return _withdraws(store, series, judged, mode)

    return commit(own, landed, judged, ledger, warehouse, withdraws)


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
