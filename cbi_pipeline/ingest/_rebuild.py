"""Make the warehouse again from the ledger: every ingestion once more, in order, as seen then."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypedDict

import duckdb
import polars as pl

from cbi_pipeline.feeds import Source
from cbi_pipeline.ingest._clock import redate, require_clock
from cbi_pipeline.ingest._commit import list_refusals, write
from cbi_pipeline.ingest._replay import (
    RULES,
    Bytes,
    Content,
    apply_verdicts,
    describe_changes,
    find_judged_until,
    is_judgement,
    list_contracts,
    note_judgement,
    read_landed,
    without_verdict,
    write_judgement,
)
from cbi_pipeline.ingest._retry import judge_again, readmit
from cbi_pipeline.ingest._screen import REFUSAL
from cbi_pipeline.ingest._stage import LOCATION
from cbi_pipeline.ingest._stored import Stored, read_state
from cbi_pipeline.ingest._validate import judge
from cbi_pipeline.ledger import Entry, Ledger, LedgerDamaged
from cbi_pipeline.warehouse import Store, Warehouse, WarehouseError
from data_contracts import CONTRACTS
from data_contracts.versioned import VERSIONED

#: Tables that follow from the ledger, and those that follow from them.
REPLAYED = (
    "ledger.response",
    "ledger.txn",
    "ref.series",
    "ref.instrument",
    "ref.release",
    "raw.observation",
    "raw.bar",
    "raw.statistic",
    "quarantine.row",
)
DERIVED = ("market.session", "features.origin", "features.generation", "features.target")
CARRIED = tuple(name for name in CONTRACTS if name not in (*REPLAYED, *DERIVED))


def _list_unsuited() -> tuple[type[Exception], ...]:
    """What an entry comes to whose values are no longer what an ingestion would have written."""
    # Who lists feeds loads this package too, and judges no row.
    from pandera.errors import SchemaErrors

    return (LookupError, TypeError, ValueError, pl.exceptions.PolarsError, SchemaErrors)


#: Does every ingestion again; gives the first whose state is another under other contracts.
_RepeatAll = Callable[[Store, Sequence[Entry], Bytes], int | None]


class RebuildRefused(RuntimeError):
    """The ledger does not give the recorded content; the warehouse was left as it was."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did.

    Attributes:
        transactions: ingestions done again.
        responses: responses read.
        versions: versions of values and bars in the warehouse now.
        state: state of the accepted content.
        changed_from: first transaction whose state differs because contracts have changed since;
            None when every state is the recorded one.
        older: tables that only an older snapshot held readable; their newest rows may be gone.
        lost: tables that no earlier database held readable; they are empty now.
        carried: rows per table that were copied from the earlier database. Prices, features and
            targets are not where values are judged otherwise now: the next night builds them again.
    """

    transactions: int
    responses: int
    versions: int
    state: str
    changed_from: int | None
    older: tuple[str, ...]
    lost: tuple[str, ...]
    carried: Mapping[str, int]


class _Counts(TypedDict):
    versions: int
    carried: Mapping[str, int]


def rebuild(
    ledger: Ledger,
    warehouse: Warehouse,
    feeds: Mapping[str, Source],
    *,
    copied: Collection[str] = (),
    lossy: bool = False,
    judge_anew: Callable[[Sequence[str]], None] | None = None,
) -> Rebuilt:
    """Rebuild the warehouse, put it in the place of the old one and publish it.

    Until everything has been done again and compared with the recorded states, the old database
    stays as it is, and a crash at any point leaves one or the other.

    Args:
        ledger: bytes, manifest and transaction log.
        warehouse: the warehouse to replace.
        feeds: live feeds by name.
        copied: tables that have a copy outside the database, to be restored from there where no
            earlier database holds them readable.
        lossy: go on where rows are lost that lie in no ledger: tables that can be read neither in
            the database nor in its snapshot come from an older one, or stay empty.
        judge_anew: judge every ingestion by today's rules; called with what this changes, in words,
            before it is done. Where nothing does, nothing is recorded.

    Raises:
        LedgerDamaged: bytes that an ingestion used, or lines, are missing or changed; names them.
        AheadOfLedger: the warehouse holds ingestions that the ledger lacks.
        RebuildRefused: there is nothing to rebuild from, rows would be lost that lie elsewhere no
            longer, or the state differs from the recorded one although no contract has changed.
        ClockInDoubt: they are to be judged anew under a clock that is behind the newest.
        LayoutChanged, WarehouseError, WarehouseBusy: as ``Warehouse.recreate``.
    """
    ledger.require_ingestions(warehouse.newest_transaction())
    entries, source = apply_verdicts(ledger.entries()), Bytes(ledger, feeds)
    responses = _require_sound(entries, source)
    ledger.require_whole()
    before, now = _read_published_state(warehouse) or entries[-1].state, ""
    unreadable, older, lost = _find_unreadable(warehouse, copied, lossy=lossy)
    carried = [table for table in CARRIED if table not in lost]

    def list_derived() -> tuple[str, ...]:
        # Rows built from values that are judged otherwise now would stay for ever, and their
        # version numbers would hide the corrections that come later.
        return DERIVED if now == before else ()

    repeat_all = _bind_judgement(warehouse, judge_anew) if judge_anew is not None else _repeat_all
    with warehouse.recreate(carry=carried, derived=list_derived, kept=unreadable) as store:
        changed_from = repeat_all(store, entries, source)
        now = read_state(store)
    warehouse.publish()
    return Rebuilt(
        transactions=len(entries),
        responses=responses,
        state=now,
        changed_from=changed_from,
        older=tuple(table for table in older if table not in lost),
        lost=tuple(table for table in older if table in lost),
        **_counts(warehouse),
    )


def _counts(warehouse: Warehouse) -> _Counts:
    with warehouse.read() as store:
        return {
            "versions": sum(_count(store, table.name) for table in VERSIONED),
            "carried": {name: _count(store, name) for name in (*CARRIED, *DERIVED)},
        }


def _bind_judgement(warehouse: Warehouse, tell: Callable[[Sequence[str]], None]) -> _RepeatAll:
    with warehouse.read() as store:
        published = Content.read(store)
    return lambda store, entries, source: _judge_anew(store, entries, source, published, tell)


def _judge_anew(
    store: Store,
    entries: Sequence[Entry],
    source: Bytes,
    published: Content,
    tell: Callable[[Sequence[str]], None],
) -> None:
    """Every ingestion once more by today's rules; notes the verdicts where they change anything."""
    now = datetime.now(UTC)
    require_clock(source.ledger, RULES, now)
    judged = [without_verdict(entry) for entry in entries]
    for number, entry in enumerate(judged):
        with store.transaction():
            _, refused = _repeat_or_refuse(store, entry, judged, source, anew=True)
        judged[number] = replace(entry, refused=refused)
    changes = describe_changes(published, Content.read(store))
    tell(changes)
    if changes:
        with store.transaction():
            entry = note_judgement(store, judged, now)
        source.ledger.log(entry)


def _repeat_all(store: Store, entries: Sequence[Entry], source: Bytes) -> int | None:
    """Every ingestion once more; gives the first whose state is another under other contracts."""
    changed_from: int | None = None
    until = find_judged_until(entries)
    for entry in entries:
        with store.transaction():
            state, _ = _repeat_or_refuse(store, entry, entries, source)
        # What was judged anew gives another state than was recorded, up to that judgement.
        if state != entry.state and changed_from is None and entry.txn_id > until:
            _require_other_contracts(entry, state)
            changed_from = entry.txn_id
    return changed_from


def _find_unreadable(
    warehouse: Warehouse, copied: Collection[str], *, lossy: bool
) -> tuple[bool, list[str], list[str]]:
    """Whether the newest databases lack a table; such tables without a copy; those lost for good.

    Raises:
        RebuildRefused: a table without a copy is among them, and no loss is agreed to.
    """
    unreadable = warehouse.find_unreadable(CARRIED)
    older = {table: why for table, why in unreadable.items() if table not in copied}
    if older and not lossy:
        raise RebuildRefused(_refusal(older))
    lost = warehouse.find_unreadable(CARRIED, kept=True) if unreadable else {}
    return bool(unreadable), list(older), list(lost)


def _refusal(lost: Mapping[str, str]) -> str:
    reasons = "; ".join(dict.fromkeys(lost.values()))
    return (
        f"what lies in no ledger cannot be read from any earlier database: {', '.join(lost)} "
        f"({reasons}). Nothing was changed; put back a copy of one of these files, or run "
        "`cbi rebuild --lossy` to go on with what older snapshots hold of them and lose the rest"
    )


def _require_sound(entries: Sequence[Entry], source: Bytes) -> int:
    """Check every response that is needed before anything is written; gives their number."""
    if not entries:
        raise RebuildRefused(
            "the ledger holds no ingestion to rebuild from; run `cbi run` to ingest the records"
        )
    numbers = [entry.txn_id for entry in entries]
    if numbers != list(range(1, len(entries) + 1)):
        raise LedgerDamaged(
            f"the transaction log should run from 1 to {numbers[-1]} and has {len(numbers)} "
            "entries; `cbi ledger verify` names the lines, restore the ledger folder from a copy"
        )
    used = {name: entry for entry in entries for name in entry.responses}
    for name, entry in used.items():
        source.ledger.body(source.response(entry, name))
    return len(used)


def _read_published_state(warehouse: Warehouse) -> str:
    """State of what is published, which an earlier rebuild may have judged otherwise than the log.

    Empty where no snapshot can be read.
    """
    try:
        with warehouse.read() as store:
            return read_state(store)
    except (WarehouseError, duckdb.Error):
        return ""


def _repeat_or_refuse(
    store: Store, entry: Entry, entries: Sequence[Entry], source: Bytes, *, anew: bool = False
) -> tuple[str, list[dict[str, Any]]]:
    """Do one ingestion again; the state after it, and the rows that it sets aside."""
    try:
        return _repeat(store, entry, entries, source, anew)
    except _list_unsuited() as error:
        raise RebuildRefused(
            f"transaction {entry.txn_id} ({entry.feed}, {entry.seen_at:%Y-%m-%d %H:%M} UTC) cannot "
            f"be done again ({type(error).__name__}: {str(error).splitlines()[0]}). The warehouse "
            f"was left as it was; if `cbi ledger verify` names {source.ledger.log_file}, restore "
            "it from a copy, otherwise rebuild with the version of this program that ingested it"
        ) from error


def _repeat(
    store: Store, entry: Entry, entries: Sequence[Entry], source: Bytes, anew: bool
) -> tuple[str, list[dict[str, Any]]]:
    if entry.question["kind"] == "clock":
        limit = datetime.fromisoformat(entry.question["dated_after"])
        return redate(store, entry.seen_at, limit, entry.txn_id), []
    if is_judgement(entry):
        return write_judgement(store, entry.seen_at, entry.txn_id), []
    if entry.question["kind"] != "retry":
        feed, landed = read_landed(entry, source)
        stored = Stored.read(store, feed)
        judged = judge(feed, landed, source.ledger, stored, source.list_refused(entry), anew=anew)
        refused = list_refusals(judged).select(list(REFUSAL)).to_dicts()
        return write(store, landed, judged, source.ledger, entry.txn_id).state, refused
    first = entries[entry.question["of"] - 1]
    places = entry.question["places"]
    places = pl.DataFrame(places, schema=dict.fromkeys(LOCATION, pl.String), orient="row")
    passing = judge_again(store, first, places, source)
    asked = entry.question["asked"]
    return readmit(store, first, passing, entry.seen_at, asked, entry.txn_id), []


def _require_other_contracts(entry: Entry, state: str) -> None:
    if list_contracts(entry) != dict(entry.contracts):
        return
    raise RebuildRefused(
        f"transaction {entry.txn_id} ({entry.feed}, {entry.seen_at:%Y-%m-%d %H:%M} UTC) gives the "
        f"state {state[:12]}, recorded is {entry.state[:12]}, although its contracts have not "
        "changed. The warehouse was left as it was; run `cbi ledger verify`, and rebuild with the "
        "version of this program that ingested it"
    )


def _count(store: Store, table: str) -> int:
    number: int = store.query(f"SELECT count(*) FROM {table}").item()
    return number
