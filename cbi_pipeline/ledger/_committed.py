"""What was committed last: the mark by which a shortened ledger or an older warehouse shows.

The log's newest entry is written just before its transaction is committed. Where the warehouse
lacks that transaction, either it never came to be, because its process died in between, or the
warehouse is an older copy of the one that held it. Only something outside the warehouse can tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from cbi_pipeline.durable import write_durably
from cbi_pipeline.ledger._errors import LedgerDamaged
from cbi_pipeline.ledger._lines import finished_size, require_cut_off, tail


@dataclass(frozen=True, slots=True)
class Extent:
    """What the finished lines of a file were: bytes and their hash."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Committed:
    """The newest transaction that is known to have come to be, and the files of then.

    Attributes:
        txn_id: its number; 0 before the first.
        files: what each append-only file of the ledger held then, by name.
    """

    txn_id: int
    files: dict[str, Extent] = field(default_factory=dict)


_COMMITTED = TypeAdapter(Committed)


def read_committed(path: Path) -> Committed:
    """The mark; of no transaction where there is none, as an earlier version left it.

    Raises:
        LedgerDamaged: it cannot be read.
    """
    try:
        return _COMMITTED.validate_json(path.read_bytes())
    except FileNotFoundError:
        return Committed(0)
    except ValidationError as error:
        raise LedgerDamaged(
            f"{path} is damaged; restore it from a copy, or, if `cbi ledger verify` names nothing "
            "else, remove it: the next ingestion writes it again"
        ) from error


def write_committed(path: Path, txn_id: int, files: Iterable[Path]) -> None:
    """Put the mark durably.

    Args:
        path: where it lies.
        txn_id: number of a transaction that was committed.
        files: the append-only files beside it.
    """
    extents = {file.name: _extent(file, finished_size(file)) for file in files if file.exists()}
    write_durably(path, _COMMITTED.dump_json(Committed(txn_id, extents)))


def describe_losses(folder: Path, committed: Committed) -> list[str]:
    """Files that are shorter than they were when the mark was put, in words."""
    return [
        _describe_loss(folder / name, extent.size, committed.txn_id)
        for name, extent in committed.files.items()
        if _size(folder / name) < extent.size
    ]


def is_altered(path: Path, committed: Committed) -> bool:
    """Whether lines are not what they were when the mark was put, though none is lost."""
    extent = committed.files.get(path.name)
    if extent is None or _size(path) < extent.size:
        return False
    return _extent(path, extent.size) != extent


def _describe_loss(path: Path, size: int, txn_id: int) -> str:
    end = tail(path)
    try:
        require_cut_off(path, end.number + 1, end.rest)
    except LedgerDamaged as error:
        return str(error)
    number = end.number + bool(end.rest)
    last = f"line {number}{', which is cut off' if end.rest else ''}" if number else "no line"
    return (
        f"{path} lost lines: it ends with {last}, and had {size - _size(path):,} bytes more at "
        f"transaction {txn_id}; restore it from a copy"
    )


def _extent(path: Path, size: int) -> Extent:
    with path.open("rb") as file:
        return Extent(size, hashlib.sha256(file.read(size)).hexdigest())


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
