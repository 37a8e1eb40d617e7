"""Proof that ledger and warehouse are what was ingested, and that one follows from the other."""

from __future__ import annotations

from collections.abc import Iterator

from cbi_pipeline.ingest._clock import examine_acceptances
from cbi_pipeline.ingest._incidents import FaultLog
from cbi_pipeline.ingest._stored import read_state
from cbi_pipeline.ledger import Ledger, select_lasting, verify_files
from cbi_pipeline.warehouse import Store
from data_contracts.ledger import RESPONSE

_REBUILD = "`cbi rebuild` makes the warehouse again from the ledger"
_KEY = ["response_id"]


def verify_ledger(ledger: Ledger) -> list[str]:
    """Everything in the ledger's folder that is missing, changed, cut off or out of order.

    Returns:
        A line for each, with its file and the number of its line; none when all is sound.
    """
    log = FaultLog(ledger.root)
    faults = log.examine()
    landed = {response.response_id for _, response in ledger.examine_manifest().documents}
    unnamed = [
        f"{log.path}, line {number}: response {name}, which was not used, is not in "
        f"{ledger.manifest}; restore that file from a copy"
        for number, event in faults.documents
        for fault in event.faults
        for name in fault.response_ids
        if name not in landed
    ]
    clock = examine_acceptances(ledger).faults
    return list(dict.fromkeys([*verify_files(ledger), *faults.faults, *clock, *unnamed]))


def verify_warehouse(ledger: Ledger, store: Store) -> list[str]:
    """Everything in which the warehouse is not what the ledger says was ingested.

    An entry whose transaction never came to be, as a kill leaves it, is no difference.

    Args:
        ledger: the ledger; lines that cannot be read are passed over.
        store: the warehouse as it is written, open.

    Returns:
        A line for each; none when it is.
    """
    return [
        *_check_transactions(ledger, store),
        *_check_responses(ledger, store),
        *_check_content(store),
    ]


def _check_transactions(ledger: Ledger, store: Store) -> Iterator[str]:
    documents = ledger.examine_log().documents
    lines = {entry.txn_id: number for number, entry in documents}
    entries = {entry.txn_id: entry for entry in select_lasting([e for _, e in documents])}
    rows = {row["txn_id"]: row for row in store.table("ledger.txn").to_dicts()}
    for number, row in rows.items():
        entry = entries.get(number)
        if entry is None:
            yield f"the warehouse holds {_describe(row)}, which {ledger.log_file} lacks"
        elif (entry.feed, entry.seen_at) != (row["feed"], row["seen_at"]):
            yield (
                f"{ledger.log_file}, line {lines[number]} is transaction {number} ({entry.feed}), "
                f"and the warehouse holds {_describe(row)}: one of them was changed; {_REBUILD}"
            )
    newest = max(rows, default=0)
    for number in sorted(entries.keys() - rows.keys()):
        if number != newest + 1 or ledger.came_to_be(number):
            yield (
                f"{ledger.log_file}, line {lines[number]}: transaction {number} "
                f"({entries[number].feed}) is not in the warehouse; {_REBUILD}"
            )


def _describe(row: dict[str, object]) -> str:
    return f"transaction {row['txn_id']} ({row['feed']}, {row['seen_at']:%Y-%m-%d %H:%M} UTC)"


def _check_responses(ledger: Ledger, store: Store) -> Iterator[str]:
    lines = ledger.examine_manifest().documents
    landed = ledger.frame(response for _, response in lines)
    stored = store.table("ledger.response")
    for name in stored.join(landed, on=_KEY, how="anti")["response_id"]:
        yield f"the warehouse holds response {name}, which {ledger.manifest} lacks"
    # The same answer landed twice stands in the table as it was landed first.
    changed = stored.join(landed, on=_KEY, how="semi").join(
        landed, on=list(RESPONSE.dtypes), how="anti", nulls_equal=True
    )
    numbers = {response.response_id: number for number, response in lines}
    for name in changed["response_id"]:
        yield (
            f"{ledger.manifest}, line {numbers[name]}: response {name} is another in the "
            f"warehouse: one of them was changed; {_REBUILD}"
        )


def _check_content(store: Store) -> Iterator[str]:
    for series_id, year in store.altered_blocks().iter_rows():
        yield (
            f"the warehouse's values of {series_id} in {year} are not those that were ingested; "
            f"{_REBUILD}"
        )
    recorded = store.table("ledger.txn").sort("txn_id").tail(1)["state_after"]
    if len(recorded) and read_state(store) != recorded.item():
        yield f"the warehouse's values do not give the state that it recorded; {_REBUILD}"
