"""What can be read from and written to an open warehouse."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Literal

import duckdb
import polars as pl

from cbi_pipeline.warehouse._columns import columns_of, list_columns, widen
from cbi_pipeline.warehouse._commits import mark_commit, read_commit, snapshot_name
from cbi_pipeline.warehouse._connection import as_view, fetch, insert
from cbi_pipeline.warehouse._damage import require_length, scan
from cbi_pipeline.warehouse._errors import DuplicateKey, ReadOnlyStore
from cbi_pipeline.warehouse._state_blocks import (
    altered_blocks,
    refresh_blocks,
    states,
)
from cbi_pipeline.warehouse._version_reads import read_as_of, read_stored
from cbi_pipeline.warehouse._versions import Recorded, check, revise
from data_contracts import CONTRACTS, Contract, contract
from data_contracts.keys import keys_are_unique
from data_contracts.versioned import OBSERVATIONS, VERSIONED, VersionedTable

META_TABLES = ("meta.layout", "meta.commit", "meta.state_block", "meta.migration")
_KNOWN_AT = {"public": "available_at", "ours": "seen_at"}


class Store:
    """An open warehouse: reads always, writes where :meth:`Warehouse.write` opened it.

    Every write is whole or not at all, alone or together with the others of one
    :meth:`transaction`.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, writable: bool) -> None:
        self._connection = connection
        self._writable = writable
        self._in_transaction = False
        self._changed = False

    def table(self, name: str, where: str = "", params: Sequence[Any] = ()) -> pl.DataFrame:
        """Rows of a contract's table, sorted by its key, with the contract's columns and types.

        Args:
            name: table, e.g. ``market.session``.
            where: SQL condition, ``?`` for each parameter.
            params: values of the parameters.

        Raises:
            KeyError: no contract has that name.
        """
        schema = contract(name)
        return self._rows(schema, _names(schema.dtypes), where, params)

    def group(self, schema: Contract, where: str = "", params: Sequence[Any] = ()) -> pl.DataFrame:
        """Rows of the table of a feature group, as :meth:`table` gives those of others.

        The table is made and widened by :meth:`append_group`; before, it has no row and no value.
        """
        columns = list_columns(self._connection, schema)
        if columns is None:
            return schema.empty()
        return self._rows(schema, columns, where, params)

    def query(self, sql: str, params: Sequence[Any] = ()) -> pl.DataFrame:
        """Rows of a SELECT; instants come back as UTC microseconds."""
        return fetch(self._connection, sql, params)

    def content(self) -> str:
        """Name of the committed content: equal names, equal content."""
        return snapshot_name(*read_commit(self._connection))

    def as_of(
        self,
        t: datetime,
        knew: Literal["public", "ours"] = "public",
        series: Sequence[str] | None = None,
        table: VersionedTable = OBSERVATIONS,
    ) -> pl.DataFrame:
        """Observations, or the rows of another table of versions, as known at an instant.

        Args:
            t: the instant, with a time zone; what became known exactly then counts.
            knew: whose knowledge, the public's (``available_at``) or ours (``seen_at``).
            series: the series to read, or None for all.
            table: the table to read.

        Returns:
            series_id, period, version, value, available_at, available_basis: the newest version
            known of each period, sorted; periods withdrawn or without a value are absent. Of bars:
            dataset, instrument and width, ts_event in the place of period, and their numbers in
            that of value.

        Raises:
            ValueError: ``t`` has no time zone, or ``knew`` is neither of the two.
        """
        if knew not in _KNOWN_AT:
            raise ValueError(f"knew is 'public' or 'ours', not {knew!r}")
        return read_as_of(self._connection, table, _KNOWN_AT[knew], _instant(t), series)

    def state(self, as_of: datetime, series: Collection[str]) -> str:
        """Hash of everything the public could know of ``series`` at ``as_of``.

        Equal states mean equal :meth:`as_of` reads (``knew="public"``) of these series at every
        instant up to ``as_of``, whatever the order and number of ingestions behind them.

        Raises:
            ValueError: ``as_of`` has no time zone, or a series with observations has no row in
                ``ref.series``.
        """
        return self.states([as_of], series)[as_of]

    def states(
        self, instants: Collection[datetime], series: Collection[str]
    ) -> dict[datetime, str]:
        """:meth:`state` at many instants; the rows are read once for all of them."""
        return states(self._connection, [_instant(instant) for instant in instants], series)

    def scan(self) -> None:
        """Read every value of every table, so that a damaged one shows.

        Raises:
            DatabaseDamaged: one cannot be read.
        """
        require_length(self._connection)
        scan(self._connection, [*CONTRACTS, *META_TABLES])

    def altered_blocks(self) -> pl.DataFrame:
        """Series and years whose stored hash is not that of their versions.

        Every version is read, so this takes as long as the history is.

        Returns:
            series_id and year, sorted; none when all is as it was written.
        """
        return altered_blocks(self._connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything written inside, or nothing of it. An inner one joins the outer.

        Raises:
            ReadOnlyStore: the store is a published snapshot.
        """
        self._require_writable()
        if self._in_transaction:
            yield
            return
        self._connection.execute("BEGIN TRANSACTION")
        self._in_transaction, self._changed = True, False
        try:
            yield
            if self._changed:
                mark_commit(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            # After a full disk DuckDB refuses even this; the file then rolls back when reopened,
            # and the first error is the one to show.
            with suppress(duckdb.Error):
                self._connection.execute("ROLLBACK")
            raise
        finally:
            self._in_transaction = False

    def append(self, name: str, frame: pl.DataFrame) -> int:
        """Add rows to a table.

        Returns:
            Number of rows added.

        Raises:
            pandera.errors.SchemaErrors: a row breaks the contract; names the rules.
            DuplicateKey: a key is repeated in ``frame`` or stored already.
            ReadOnlyStore: the store is a published snapshot.
        """
        schema = contract(name)
        rows = schema.validate(frame)
        _require_unique(rows, schema)
        if not schema.indexed:
            self._require_absent(rows, schema)
        return self._add(schema, rows)

    def append_group(self, schema: Contract, frame: pl.DataFrame) -> int:
        """Add rows to the table of a feature group; columns that it lacks are added.

        Columns that the group no longer has stay, for the rows of earlier generations.

        Returns:
            Number of rows added.

        Raises:
            pandera.errors.SchemaErrors, DuplicateKey, ReadOnlyStore: as :meth:`append`.
        """
        rows = schema.validate(frame)
        _require_unique(rows, schema)
        with self.transaction():
            widen(self._connection, schema)
            self._require_absent(rows, schema)
            with as_view(self._connection, rows) as view:
                self._connection.execute(f"INSERT INTO {schema.table} BY NAME FROM {view}")
            self._changed = True
        return len(rows)

    def columns(self, name: str) -> list[str]:
        """Columns of a table or view as it is stored; none where there is no such table."""
        return list(columns_of(self._connection).get(name, {}))

    def define(self, view: str, select: str) -> None:
        """Make or replace a view of the tables.

        Raises:
            ReadOnlyStore: the store is a published snapshot.
        """
        with self.transaction():
            self._connection.execute(f"CREATE OR REPLACE VIEW {view} AS {select}")
            self._changed = True

    def replace(self, name: str, frame: pl.DataFrame) -> int:
        """Put rows into a table that allows it: new keys are added, known ones overwritten.

        Returns:
            Number of rows that are new or differ from what was stored; the rest is left alone.

        Raises:
            TypeError: the table is append-only.
            pandera.errors.SchemaErrors: a row breaks the contract; names the rules.
            DuplicateKey: a key is repeated in ``frame``.
            ReadOnlyStore: the store is a published snapshot.
        """
        schema = contract(name)
        if not schema.is_overwritten:
            raise TypeError(f"{name} is append-only: add a new version with append()")
        rows = schema.validate(frame)
        _require_unique(rows, schema)
        columns = _names(schema.dtypes)
        with self.transaction():
            with as_view(self._connection, rows) as view:
                sql = (
                    f"INSERT OR REPLACE INTO {schema.table} BY NAME "
                    f"SELECT {columns} FROM {view} EXCEPT SELECT {columns} FROM {schema.table}"
                )
                added: int = self._connection.execute(sql).fetchall()[0][0]
            self._changed = self._changed or added > 0
            return added

    def find_new(self, name: str, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows that are not stored yet, in their order.

        Where rows are overwritten that goes by every column, elsewhere by the key.
        """
        schema = contract(name)
        columns = list(schema.dtypes if schema.is_overwritten else schema.key)
        same = " AND ".join(f'n."{column}" IS NOT DISTINCT FROM t."{column}"' for column in columns)
        numbered = rows.select(columns).with_row_index("row number")
        with as_view(self._connection, numbered) as view:
            sql = f'SELECT "row number" FROM {view} n ANTI JOIN {schema.table} t ON {same}'
            new = self.query(f"{sql} ORDER BY ALL")
        return rows[new["row number"]]

    def select_rows(self, name: str, keys: pl.DataFrame) -> pl.DataFrame:
        """Rows that agree with a line of keys, or parts of them, as :meth:`table` gives all."""
        schema = contract(name)
        columns = [column for column in schema.key if column in keys.columns]
        with as_view(self._connection, keys.select(columns).unique()) as view:
            same = " AND ".join(f't."{column}" = k."{column}"' for column in columns)
            sql = (
                f"SELECT {_names(schema.dtypes)} FROM {schema.table} t SEMI JOIN {view} k ON {same}"
            )
            rows = self.query(f"{sql} ORDER BY {_names(schema.key)}")
        return rows.cast(pl.Schema(schema.dtypes))

    def remove(self, name: str, keys: pl.DataFrame) -> int:
        """Take rows out of a table that allows it; the number of them.

        Args:
            name: the table.
            keys: columns of its key, all or some: rows that agree with a line in them go.

        Raises:
            TypeError: the table is append-only.
            ReadOnlyStore: the store is a published snapshot.
        """
        schema = contract(name)
        if schema.append_only:
            raise TypeError(f"{name} is append-only: nothing is taken out of it")
        columns = [column for column in schema.key if column in keys.columns]
        with self.transaction(), as_view(self._connection, keys.select(columns).unique()) as view:
            match = " AND ".join(f't."{column}" = k."{column}"' for column in columns)
            sql = f"DELETE FROM {schema.table} t USING {view} k WHERE {match}"
            removed: int = self._connection.execute(sql).fetchall()[0][0]
            self._changed = self._changed or removed > 0
            return removed

    def record(
        self,
        parsed: pl.DataFrame,
        *,
        seen_at: datetime,
        txn_id: int,
        complete: Collection[str] = (),
        table: VersionedTable = OBSERVATIONS,
    ) -> Recorded:
        """Write what a response says of its series as new versions, where it says anything new.

        A first value is available at its parsed instant. A changed one is available at its parsed
        instant when that is a dated vintage (basis ``stamp`` or ``calendar``) later than the
        version before, otherwise at ``seen_at`` with basis ``first_seen``. Rows of an older
        vintage than the newest stored one never change what is current. The same content again
        adds nothing.

        Args:
            parsed: one row per cell, of an observation series_id, period, value, value_text,
                status, available_at, available_basis, response_id, locator; other columns are
                ignored. Record vintages one by one, oldest first.
            seen_at: when we knew these rows.
            txn_id: transaction of the ledger that writes them.
            complete: series of which ``parsed`` holds every period there is: stored periods that
                are absent become withdrawn, at the vintage's instant when the response is dated
                and all its periods, two at least, share one, otherwise at ``seen_at``.
            table: table that they are versions of.

        Raises:
            ValueError: a column is missing or of another type, a (series, period) stands twice, a
                value is not finite or contradicts its status, a dated row has no instant, or a
                complete series has no row at all.
            ReadOnlyStore: the store is a published snapshot.
        """
        self._require_writable()
        heard = check(table, parsed, complete)
        stored = read_stored(self._connection, table, heard, complete)
        revision = revise(table, heard, stored, seen_at=_instant(seen_at), complete=complete)
        rows = revision.versions.with_columns(
            seen_at=pl.lit(_instant(seen_at), pl.Datetime("us", "UTC")),
            txn_id=pl.lit(txn_id, pl.Int64),
        )
        if len(rows):
            # Each cell stands once in what was checked, so each version does.
            self._add(table.contract, table.contract.validate(rows))
        return revision.recorded

    def _rows(
        self, schema: Contract, columns: str, where: str, params: Sequence[Any]
    ) -> pl.DataFrame:
        condition = f" WHERE {where}" if where else ""
        order = _names(schema.key)
        sql = f"SELECT {columns} FROM {schema.table}{condition} ORDER BY {order}"
        return self.query(sql, params).cast(pl.Schema(schema.dtypes))

    def _add(self, schema: Contract, rows: pl.DataFrame) -> int:
        with self.transaction():
            try:
                insert(self._connection, schema.table, rows.select(list(schema.dtypes)))
            except duckdb.ConstraintException as error:
                raise DuplicateKey(f"{schema.table} holds such a row already: {error}") from error
            self._changed = self._changed or len(rows) > 0
            for table in VERSIONED:
                if schema is table.contract:
                    refresh_blocks(self._connection, table, rows)
            return len(rows)

    def _require_absent(self, rows: pl.DataFrame, schema: Contract) -> None:
        with as_view(self._connection, rows.select(schema.key)) as view:
            keys = _names(schema.key)
            stored = self.query(
                f"SELECT {keys} FROM {schema.table} SEMI JOIN {view} USING ({keys})"
            )
        if len(stored):
            raise DuplicateKey(f"{schema.table} holds such a row already, e.g. {stored.row(0)}")

    def _require_writable(self) -> None:
        if not self._writable:
            raise ReadOnlyStore(
                "this is a published snapshot; write inside `with warehouse.write() as store`"
            )


def _names(columns: Collection[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _instant(t: datetime) -> datetime:
    if t.tzinfo is None:
        raise ValueError(f"{t} has no time zone; say which instant is meant, e.g. with tzinfo=UTC")
    return t.astimezone(UTC)


def _require_unique(frame: pl.DataFrame, schema: Contract) -> None:
    if keys_are_unique(frame, schema.key):
        return
    keys = frame.select(schema.key)
    repeated = keys.filter(keys.is_duplicated()).unique(maintain_order=True)
    raise DuplicateKey(
        f"{schema.table}: {len(repeated)} keys stand more than once, e.g. {repeated.row(0)}"
    )
