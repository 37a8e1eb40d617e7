"""The ledger of issued forecasts: appended to the database, then to a plain file beside it.

Order of an append, and why no crash loses or forks it:

1. Both copies are brought level (``repair``): the newest complete line of the file and the newest
   row of the database carry a hash that covers everything before, so the copy whose newest row
   stands in the other, same number and same hash, is its beginning and is completed from it. A
   line cut off in mid-write is dropped. Anything else is damage, and nothing is written.
2. The new rows are linked and written to the database in one transaction.
3. The file catches up from the database and is forced to the disk.

A crash before 2 commits leaves both as they were; between 2 and 3 the file is behind and the next
append completes it; a warehouse made anew is completed from the file.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from cbi_pipeline.issued import plain_file
from cbi_pipeline.issued.chain import GENESIS, chain, faults
from cbi_pipeline.warehouse import Store
from data_contracts.issued import ABSTENTION, FORECAST

TABLE = FORECAST.table


class LedgerBroken(ValueError):
    """Database and file contradict each other; nothing was written."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest row of a chain: its running number and its hash."""

    sequence: int = 0
    row_hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class IssuedLedger:
    """Append-only ledger over a writing store and a folder.

    Attributes:
        store: the warehouse's store, open for writing and in no transaction: the file follows what
            :meth:`append` and :meth:`repair` have committed themselves.
        folder: where ``forecasts.jsonl`` lies, outside the database.
    """

    store: Store
    folder: Path

    @property
    def path(self) -> Path:
        """The plain-file copy."""
        return self.folder / "forecasts.jsonl"

    def append(self, rows: pl.DataFrame, abstentions: pl.DataFrame | None = None) -> int:
        """Issue what was not issued before; what was said once is never said again.

        Args:
            rows: frame of :func:`cbi_pipeline.issued.rows`.
            abstentions: rows of issued.abstention, written in the same transaction.

        Returns:
            Forecast rows written; 0 means that nothing was touched but, at most, abstentions.

        Raises:
            LedgerBroken: the two copies contradict each other.
        """
        self.repair()
        head = self.head()
        linked = chain(self._select_new(FORECAST.table, rows), head.row_hash, head.sequence)
        silent = self._select_new(ABSTENTION.table, abstentions)
        if linked.height or silent.height:
            with self.store.transaction():
                self._write(FORECAST.table, linked)
                self._write(ABSTENTION.table, silent)
        if linked.height:
            plain_file.extend(self.path, linked.iter_rows(named=True))
        return linked.height

    def repair(self) -> None:
        """Complete whichever copy is the beginning of the other; a no-op when they are level.

        Raises:
            LedgerBroken: neither is the beginning of the other.
        """
        database, end = self.head(), plain_file.tail(self.path)
        file = self._file_head(end)
        if file.sequence > database.sequence:
            self._complete_database(database)
        elif database != file or end.torn:
            self._complete_file(file)

    def verify(self) -> list[str]:
        """Every changed, missing or extra row in words; empty when all is well."""
        return plain_file.verify(self.store.table(TABLE), self.path)

    def head(self) -> Head:
        """The newest row of the database."""
        newest = self.store.query(
            f"SELECT sequence, row_hash FROM {TABLE} ORDER BY sequence DESC LIMIT 1"
        )
        return Head(*newest.row(0)) if newest.height else Head()

    def _file_head(self, end: plain_file.Tail) -> Head:
        if end.last is None:
            return Head()
        try:
            row = plain_file.parse(end.last)
        except ValueError as error:
            number = plain_file.count_lines(self.path)
            raise self._make_error(number, error) from error
        return Head(row["sequence"], row["row_hash"])

    def _make_error(self, number: int, error: ValueError) -> LedgerBroken:
        return LedgerBroken(
            f"{self.path}, line {number} cannot be read ({error}); put back a copy of the file, or "
            "move it away if `cbi ledger verify` names nothing of the database: it is then written "
            "again from there"
        )

    def _parse_all(self) -> list[dict[str, Any]]:
        lines, rest = plain_file.read(self.path)
        rows = []
        for number, text in enumerate(lines, start=1):
            try:
                rows.append(plain_file.parse(text))
            except ValueError as error:
                raise self._make_error(number, error) from error
        # A row that lacks nothing but its line break was said all the same.
        with suppress(ValueError):
            rows.append(plain_file.parse(rest))
        return rows

    def _complete_file(self, file: Head) -> None:
        rows = self.store.table(TABLE, "sequence >= ?", [file.sequence]).sort("sequence")
        if file.sequence:
            self._same(file, Head(*rows.select("sequence", "row_hash").row(0)))
        plain_file.extend(
            self.path, rows.filter(pl.col("sequence") > file.sequence).iter_rows(named=True)
        )

    def _complete_database(self, database: Head) -> None:
        rows = self._parse_all()
        damage = faults(rows)
        if damage:
            raise LedgerBroken(f"{self.path} is ahead of the database but damaged: {damage[0]}")
        if database.sequence:
            joint = rows[database.sequence - 1]
            self._same(database, Head(joint["sequence"], joint["row_hash"]))
        with self.store.transaction():
            self.store.append(
                TABLE, pl.DataFrame(rows[database.sequence :], schema=FORECAST.dtypes)
            )

    def _same(self, last: Head, other: Head) -> None:
        if last != other:
            raise LedgerBroken(
                f"database and {self.path} differ at row {last.sequence}: run `cbi ledger verify` "
                "for the rows, then put back the copy that is right"
            )

    def _select_new(self, table: str, rows: pl.DataFrame | None) -> pl.DataFrame:
        if rows is None or rows.is_empty():
            return pl.DataFrame()
        return self.store.find_new(table, rows)

    def _write(self, table: str, rows: pl.DataFrame) -> None:
        if rows.height:
            self.store.append(table, rows)
