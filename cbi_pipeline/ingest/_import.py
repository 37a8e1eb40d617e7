"""Import a user's own validated history, with its source named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from cbi_pipeline.feeds import Feed, IncompleteResponse, Parsed, Request, csv_import
from cbi_pipeline.ingest._absent import FEW_GONE, GONE_LIMIT
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
from cbi_pipeline.ledger import Ledger, bind_warehouse
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse
from data_contracts.own_history import OWN_HISTORY
from data_contracts.reference import SERIES

_AGENCIES = ("EIA", "CFTC")


def import_csv(
    settings: Settings,
    file: Path,
    *,
    series: str,
    unit: str,
    source: str,
    name: str | None = None,
) -> IngestReport:
    """Import a file with the columns ``period`` and ``value``.

    Every row becomes known at the import (basis ``first_seen``): when the public knew it is not
    ours to claim. The same file again writes nothing; another file for the series is its whole
    history, so periods it lacks become withdrawals, unless so many are gone that it is doubted.

    Args:
        settings: where ledger and warehouse lie.
        file: the file.
        series: series id, owner first, e.g. ``DESK.CPO_FOB``; agencies' ids are refused.
        unit: unit of every value, one of the units of the family ``own_history``.
        source: who measured or published it.
        name: title; the id by default.

    Raises:
        ValueError: an argument cannot be used; says what to give.
        FileNotFoundError: no such file.
        UnexpectedShape: the file is no such CSV.
        IncompleteResponse: too many periods that are held are not in the file.
        TableRuleBroken: too many rows break the contract, or none keeps it.
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
    _require_own(warehouse, series, unit)
    known = _series(series, unit, source, name or series)
    now = datetime.now(UTC)
    require_clock(ledger, csv_import.FEED, now)
    feed = Feed(
        f"{csv_import.FEED}:{series}",
        f"Own history of {series}",
        lambda: [Request(url, file.resolve())],
        read_at(now),
    )
    prepared = prepare(feed, land(feed, ledger, read_file, now), ledger, known, now)
    require(prepared.outcomes)
    return commit(
        feed,
        prepared,
        ledger,
        warehouse,
        known,
        now,
        lambda store: _require_believable(store, series, prepared),
    )


def read_at(now: datetime) -> Callable[[str, bytes], Parsed]:
    """The parser of an import made at that instant."""
    return lambda url, body: _seen(csv_import.parse(url, body), now)


def _seen(parsed: Parsed, now: datetime) -> Parsed:
    # A period that lies ahead gets no instant, and the contract refuses it.
    past = pl.col("period") <= now.date()
    instant = pl.lit(now).dt.cast_time_unit("us")
    frame = parsed.frame.with_columns(available_at=pl.when(past).then(instant))
    return Parsed(frame, parsed.ignored, parsed.complete)


def _require_own(warehouse: Warehouse, series: str, unit: str) -> None:
    if series.split(".")[0] in _AGENCIES:
        raise ValueError(f"{series} belongs to an agency's feed; give your own series another id")
    try:
        with warehouse.read() as store:
            known = store.table("ref.series", "series_id = ?", [series])
    except NothingPublished:
        return
    if len(known) and known["unit"].item() != unit:
        held = known["unit"].item()
        raise ValueError(f"{series} is held in {held}; convert the file or choose another id")


def _require_believable(store: Store, series: str, prepared: Prepared) -> None:
    if len(prepared.rejected):
        # A row set aside is not a row withdrawn: such a file withdraws nothing.
        return
    held = store.query(
        """
        SELECT period FROM raw.observation WHERE series_id = ?
        GROUP BY period HAVING max_by(status, version) <> 'withdrawn'""",
        [series],
    )
    good = pl.concat(screened.good for _, _, screened in prepared.parts)
    gone = held.join(good, on="period", how="anti")
    empty = len(gone) == len(held) > 1
    if not empty and len(gone) <= max(len(held) * GONE_LIMIT, FEW_GONE):
        return
    raise IncompleteResponse(
        csv_import.FEED,
        f"{len(gone)} of {len(held)} periods we hold of {series} are not in the file",
        "Nothing of it was used, because so many are hardly withdrawn at once; import the whole "
        "history, a period that no longer has a value as a row with an empty one",
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
