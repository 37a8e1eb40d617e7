"""Proof that the ledger is what was written: manifest, bytes, log, and the mark beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cbi_pipeline.ledger._committed import (
    Committed,
    describe_losses,
    is_altered,
    read_committed,
)
from cbi_pipeline.ledger._errors import LedgerDamaged
from cbi_pipeline.ledger._ledger import Ledger, Response, identify, identify_sighting
from cbi_pipeline.ledger._transactions import Entry

Numbered = Sequence[tuple[int, Entry]]


def verify_files(ledger: Ledger) -> list[str]:
    """Everything in the ledger's folder that is missing, changed, cut off or out of order.

    What crashes leave and the next writer clears away is named as well, but for bytes that were
    stored and not yet entered in the manifest, and entries whose transaction never came to be.

    Returns:
        A line for each, with its file and the number of its line; none when all is sound.
    """
    manifest, log = ledger.examine_manifest(), ledger.examine_log()
    mark, unreadable = _mark(ledger)
    lines = [*manifest.faults, *log.faults]
    responses = {response.response_id: response for _, response in manifest.documents}
    return [
        *lines,
        *unreadable,
        *describe_losses(ledger.root, mark),
        *(f for path in ledger.files if not lines for f in _changes(path, mark)),
        *_identities(ledger, manifest.documents),
        *_bytes(ledger, responses),
        *_numbers(ledger, log.documents, mark),
        *_uses(ledger, log.documents, responses),
    ]


def _mark(ledger: Ledger) -> tuple[Committed, list[str]]:
    try:
        return read_committed(ledger.mark), []
    except LedgerDamaged as error:
        return Committed(0), [str(error)]


def _changes(path: Path, mark: Committed) -> Iterator[str]:
    if is_altered(path, mark):
        yield (
            f"{path}: a line was changed since transaction {mark.txn_id}; restore the file from a "
            "copy"
        )


def _identities(ledger: Ledger, lines: Sequence[tuple[int, Response]]) -> Iterator[str]:
    for number, response in lines:
        if not _is_identity(response):
            yield (
                f"{ledger.manifest}, line {number} was changed: what it says does not give its "
                "response_id; restore the file from a copy"
            )


def _is_identity(response: Response) -> bool:
    if response.response_id == identify(response.feed, response.url, response.sha256):
        return True
    try:
        return response.response_id == identify_sighting(response)
    except ValueError:  # the headers are no JSON any more
        return False


def _bytes(ledger: Ledger, responses: Mapping[str, Response]) -> Iterator[str]:
    yield from ledger.damage()
    entered = {response.sha256 for response in responses.values()}
    for path in ledger.stored_bodies():
        if path.name not in entered:
            yield f"{path} stands in no line of {ledger.manifest}: restore that file from a copy"


def _numbers(ledger: Ledger, entries: Numbered, mark: Committed) -> Iterator[str]:
    last = 0
    for number, entry in entries:
        where = f"{ledger.log_file}, line {number}"
        if entry.txn_id > last + 1:
            yield (
                f"{where} is transaction {entry.txn_id} and follows {last or 'none'}: what lay "
                "between is missing; restore the file from a copy"
            )
        elif entry.txn_id < last:
            yield (
                f"{where} goes back to transaction {entry.txn_id} after {last}: what lay between "
                "no longer counts; restore the ledger from a copy of before"
            )
        last = entry.txn_id
    if last < mark.txn_id:
        yield (
            f"{ledger.log_file} ends with transaction {last or 'none'}, and {mark.txn_id} came to "
            "be; restore the file from a copy"
        )


def _uses(ledger: Ledger, entries: Numbered, responses: Mapping[str, Response]) -> Iterator[str]:
    for number, entry in entries:
        for name in entry.responses:
            if name not in responses:
                yield (
                    f"{ledger.log_file}, line {number}: transaction {entry.txn_id} ({entry.feed}) "
                    f"used response {name}, which {ledger.manifest} lacks; restore that file from "
                    "a copy"
                )
