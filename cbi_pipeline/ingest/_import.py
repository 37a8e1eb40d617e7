"""Import a user's own validated history, with its source named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import polars as pl

from cbi_pipeline.feeds import Feed, IncompleteResponse, Parsed, Request, csv_import
from cbi_pipeline.ingest._clock import require_clock
from cbi_pipeline.ingest._engine import (
    IngestReport,
    Prepared,
    commit,
    land,
    prepare,
    require,
)
from cbi_pipeline.ingest._files import read_file
from cbi_pipeline.ingest._live import live_feeds
from cbi_pipeline.ingest._redate import correct_dates
from cbi_pipeline.ledger import Ledger, bind_warehouse
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse
from data_contracts.own_history import OWN_HISTORY
from data_contracts.reference import SERIES

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
    if unit not in OWN_HISTORY.bounds:
        raise ValueError(f"unit {unit!r} is not known; units: {', '.join(OWN_HISTORY.bounds)}")
    url = csv_import.address(file.name, series, unit, source)
    settings.make_home()
    warehouse, ledger = bind_warehouse(settings), Ledger(settings.ledger_dir)
    warehouse.check()
    _require_own(settings, warehouse, series, unit)
    known, now = _series(series, unit, source, name or series), datetime.now(UTC)
    require_clock(ledger, csv_import.FEED, now)
    corrected = correct_dates(ledger, warehouse, now)
    feed = _feed(Request(url, file.resolve()), series, now, adds=mode == "append")
    prepared = prepare(feed, land(feed, ledger, read_file, now), ledger, known, now)
    require(prepared)

    def withdraws(store: Store) -> bool:
        return _withdraws(store, series, prepared, mode)

    report = commit(feed, prepared, ledger, warehouse, known, now, withdraws)
    return replace(report, notices=corrected)


def _feed(request: Request, series: str, now: datetime, *, adds: bool) -> Feed:
    return Feed(
        f"{csv_import.FEED}:{series}",
        f"Own history of {series}",
        lambda: [request],
        read_at(now, adds=adds),
        adds=adds,
    )


def read_at(now: datetime, *, adds: bool = False) -> Callable[[str, bytes], Parsed]:
    """The parser of an import made at that instant, of a part of a history or the whole."""
    return lambda url, body: _seen(csv_import.parse(url, body), now, adds)


def _seen(parsed: Parsed, now: datetime, adds: bool) -> Parsed:
    # A period that lies ahead gets no instant, and the contract refuses it.
    past = pl.col("period") <= now.date()
    instant = pl.lit(now).dt.cast_time_unit("us")
    frame = parsed.frame.with_columns(available_at=pl.when(past).then(instant))
    return Parsed(frame, parsed.ignored, () if adds else parsed.complete)


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


def _withdraws(store: Store, series: str, prepared: Prepared, mode: Mode | None) -> bool:
    """Whether periods that are held are to be withdrawn, because the file is all there is."""
    # A row set aside is not a row withdrawn: such a file withdraws nothing.
    if mode == "append" or len(prepared.rejected):
        return False
    held = store.query(
        """
        SELECT period FROM raw.observation WHERE series_id = ?
        GROUP BY period HAVING max_by(status, version) <> 'withdrawn'""",
        [series],
    )
    good = pl.concat(screened.good for _, _, screened in prepared.parts)
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


def _series(series: str, unit: str, source: str, name: str) -> pl.DataFrame:
    row = {
        "series_id": series,
        "family": OWN_HISTORY.name,
        "name": name,
        "unit": unit,
        "frequency": OWN_HISTORY.frequency,
        "dimensions": "{}",
        "source": source.strip(),
        "rights": OWN_HISTORY.rights,
        "contract_version": OWN_HISTORY.version,
    }
    return pl.DataFrame([row], schema=SERIES.dtypes)
