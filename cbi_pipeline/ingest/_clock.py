"""Whether the machine's clock can be believed, and what becomes of values that a wrong one dated.

What is written is dated by the clock, and what is dated wrongly is known too early or not for
years. So an answer's ``Date`` is compared with the clock. Where no service was asked, or none gave
its hour, the ledger's newest entry is all there is to compare with.

A row that a wrong clock dated in the future would stay hidden until its date comes. Under the first
clock that is believed it gets a further version with the same value: what was written stays as it
is, and from then on the value is read. The entry in the ledger makes a rebuild do the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import polars as pl
from pydantic import AwareDatetime, TypeAdapter

from cbi_pipeline.feeds import ClockInDoubt
from cbi_pipeline.ingest._stored import note_transaction, read_state
from cbi_pipeline.ledger import (
    Entry,
    Ledger,
    Readings,
    append_line,
    examine_documents,
    read_documents,
)
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse
from data_contracts.versioned import VERSIONED, VersionedTable

#: How far the clock and a service's hour may be apart.
APART = timedelta(minutes=10)
#: How long after the newest entry an unwitnessed night is believed.
SILENCE = timedelta(days=2)
#: What stands in the place of a feed where dates were corrected.
CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One line of ``clock.jsonl``: a person says that the clock is right.

    Attributes:
        at: the hour it showed.
        after: number of the newest transaction then, whose date counts no longer; 0 without one.
        reason: why, in the person's words.
    """

    at: AwareDatetime
    after: int
    reason: str


_ACCEPTANCE = TypeAdapter(Acceptance)


class Witness:
    """What the answers of one night say of the clock.

    Args:
        now: what the clock showed when the night began; it is taken to run at its pace since.
    """

    def __init__(self, now: datetime) -> None:
        self._now, self._began = now, time.monotonic()
        self._hours: list[tuple[datetime, datetime]] = []

    def hear(self, headers: Mapping[str, str]) -> None:
        """Take the hour of an answer that has just come, if it gives one."""
        given = _read_hour(headers)
        if given is not None:
            passed = timedelta(seconds=time.monotonic() - self._began)
            self._hours.append((given, self._now + passed))

    @property
    def has_answered(self) -> bool:
        """Whether any answer gave its hour."""
        return bool(self._hours)

    def require_agreement(self, feed: str) -> None:
        """Refuse a clock that the hours of all answers contradict.

        Raises:
            ClockInDoubt: none that was given agrees with it.
        """
        if not self._hours or any(abs(given - own) <= APART for given, own in self._hours):
            return
        given, own = self._hours[-1]
        raise ClockInDoubt(
            feed,
            f"the service's answers are of {_format(given)}, and this machine's clock shows "
            f"{_format(own)}",
            "Nothing was written, because values would be dated wrongly; set the clock, the next "
            "run asks again",
        )


def require_clock(ledger: Ledger, feed: str, now: datetime, *, nightly: bool = False) -> None:
    """Refuse a clock that nothing bears witness to and that contradicts the ledger.

    Args:
        ledger: its newest entry, or a person's word, is what is compared with.
        feed: feed whose rows are to be written.
        now: what the clock shows.
        nightly: whether entries come every night, so that a long silence is doubtful too.

    Raises:
        ClockInDoubt: the clock is behind the newest entry, or too far past it.
    """
    then = _read_newest(ledger)
    if then is None or then <= now <= then + (SILENCE if nightly else now - then):
        return
    where = "before" if now < then else f"more than {SILENCE.days} days after"
    raise ClockInDoubt(
        feed,
        f"this machine's clock shows {_format(now)}, {where} the ledger's newest entry of "
        f"{_format(then)}, and no service gave its hour",
        "Nothing was written; set the clock, or, if it is right, run "
        "`cbi ledger accept-clock --reason ...`",
    )


def settle_clock(
    ledger: Ledger, warehouse: Warehouse, feed: str, now: datetime, *, has_witness: bool
) -> tuple[str, ...]:
    """Refuse a clock in doubt; under another, correct the dates that a wrong one gave.

    Args:
        ledger: as of :func:`require_clock`; where a correction is noted.
        warehouse: where the rows are.
        feed: feed whose rows are to be written tonight.
        now: what the clock shows.
        has_witness: whether an answer gave its hour, and the clock agrees with it.

    Returns:
        As :func:`correct_dates`.

    Raises:
        ClockInDoubt: nothing bears witness to the clock, and it contradicts the ledger.
        BehindLedger, AheadOfLedger, LedgerDamaged: warehouse and ledger do not belong together.
    """
    if not has_witness:
        require_clock(ledger, feed, now, nightly=True)
    return correct_dates(ledger, warehouse, now)


def accept_clock(ledger: Ledger, now: datetime, reason: str) -> Acceptance:
    """Note that a person found the clock right, so that what is written next is compared with it.

    Raises:
        ValueError: no reason is given.
        LedgerDamaged: the newest entry cannot be read.
    """
    if not reason.strip():
        raise ValueError("say why the clock is right with --reason")
    newest = ledger.newest_entry
    accepted = Acceptance(now, newest.txn_id if newest else 0, reason.strip())
    append_line(ledger.clock_file, _ACCEPTANCE.dump_json(accepted).decode())
    return accepted


def examine_acceptances(ledger: Ledger) -> Readings[Acceptance]:
    """Every acceptance whose line can be read, and every other line, in words."""
    return examine_documents(ledger.clock_file, _ACCEPTANCE)


def _read_newest(ledger: Ledger) -> datetime | None:
    entry = ledger.newest_entry
    if entry is None:
        return None
    accepted = read_documents(ledger.clock_file, _ACCEPTANCE)
    if accepted and accepted[-1].after >= entry.txn_id:
        return accepted[-1].at
    return entry.seen_at


def _read_hour(headers: Mapping[str, str]) -> datetime | None:
    try:
        hour = parsedate_to_datetime(headers["date"])
        # A copy that was kept on the way says how old it is.
        age = timedelta(seconds=int(headers.get("age", "0")))
        return (hour if hour.tzinfo else hour.replace(tzinfo=UTC)) + age
    except (KeyError, ValueError, OverflowError):
        return None


def _format(hour: datetime) -> str:
    return f"{hour.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def correct_dates(ledger: Ledger, warehouse: Warehouse, now: datetime) -> tuple[str, ...]:
    """Enter rows that are dated in the future once more, as known since now, and publish them.

    Args:
        ledger: where the correction is noted.
        warehouse: where the rows are.
        now: what a clock shows that was found right.

    Returns:
        What was corrected, in words; empty when nothing was, and then nothing is written.

    Raises:
        BehindLedger, AheadOfLedger, LedgerDamaged: warehouse and ledger do not belong together.
    """
    limit = now + APART
    try:
        with warehouse.read() as store:
            if all(_find_late_rows(store, table, now, limit).is_empty() for table in VERSIONED):
                return ()
    except NothingPublished:
        return ()
    with warehouse.write() as store, ledger.transaction(store) as txn_id:
        state = redate(store, now, limit, txn_id)
        question = {"kind": "clock", "dated_after": limit.isoformat()}
        ledger.log(Entry(txn_id, CLOCK, now, question, contracts={}, state=state))
    warehouse.publish()
    with warehouse.read() as store:
        return describe_corrections(store, now)


def redate(store: Store, now: datetime, limit: datetime, txn_id: int) -> str:
    """Correct the dates inside the running transaction, which the ledger numbered.

    Args:
        store: the warehouse, open for writing.
        now: since when the rows are known.
        limit: rows that are dated later than this are corrected.
        txn_id: the transaction's number.

    Returns:
        The state afterwards.
    """
    before, added = read_state(store), 0
    for table in VERSIONED:
        late = _find_late_rows(store, table, now, limit)
        added += store.append(table.name, _date_anew(table, late, now, txn_id))
    _redate_rest(store, now, limit)
    counts = {"added": added}
    return note_transaction(
        store, txn_id=txn_id, feed=CLOCK, seen_at=now, before=before, counts=counts
    )


def describe_corrections(store: Store, since: datetime) -> tuple[str, ...]:
    """The corrections of dates that were made since an instant, in words."""
    made = store.table("ledger.txn", "feed = ? AND seen_at >= ?", [CLOCK, since])
    return tuple(_list_corrections(made.select("added", "seen_at").iter_rows()))


def _list_corrections(made: Iterable[tuple[int, datetime]]) -> Iterable[str]:
    for number, at in made:
        values = "1 value was" if number == 1 else f"{number:,} values were"
        yield (
            f"{values} dated in the future, by a clock that was wrong when they came; they are "
            f"known since {at:%Y-%m-%d %H:%M} UTC now"
        )


def _find_late_rows(
    store: Store, table: VersionedTable, now: datetime, limit: datetime
) -> pl.DataFrame:
    cell = ", ".join(table.cell)
    # Periods that lie ahead themselves are nothing that anybody could have known.
    return store.query(
        f"""
        SELECT * FROM (
            SELECT * FROM {table.name}
            SEMI JOIN (
                SELECT DISTINCT {cell} FROM {table.name}
                WHERE (seen_at > $1 OR available_at > $1) AND {table.day_sql} <= $2)
            USING ({cell})
            QUALIFY version = max(version) OVER (PARTITION BY {cell}))
        WHERE seen_at > $1 OR available_at > $1
        ORDER BY {cell}""",
        [limit, now.date()],
    )


def _date_anew(
    table: VersionedTable, late: pl.DataFrame, now: datetime, txn_id: int
) -> pl.DataFrame:
    instant, ahead = pl.lit(now, pl.Datetime("us", "UTC")), pl.col("available_at") > now
    return late.with_columns(
        version=pl.col("version") + 1,
        available_at=pl.when(ahead).then(instant).otherwise("available_at"),
        available_basis=pl.when(ahead).then(pl.lit("first_seen")).otherwise("available_basis"),
        seen_at=instant,
        txn_id=pl.lit(txn_id, pl.Int64),
    ).cast(pl.Schema(table.contract.dtypes))


def _redate_rest(store: Store, now: datetime, limit: datetime) -> None:
    """Rows set aside, which wait for a later night's word, and releases."""
    instant = pl.lit(now, pl.Datetime("us", "UTC"))
    aside = store.table("quarantine.row", "seen_at > ?", [limit])
    store.replace("quarantine.row", aside.with_columns(seen_at=instant))
    released = store.table("ref.release", "released_at > ? AND period <= ?", [limit, now.date()])
    store.replace(
        "ref.release", released.with_columns(released_at=instant, basis=pl.lit("first_seen"))
    )
