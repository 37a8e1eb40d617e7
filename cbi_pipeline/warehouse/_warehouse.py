"""The warehouse as its users hold it: one writer, published snapshots, many readers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import duckdb

from cbi_pipeline.warehouse._commits import read_commit, renumber, snapshot_name
from cbi_pipeline.warehouse._connection import (
    file_of,
    open_readable,
    open_snapshot,
    open_writable,
)
from cbi_pipeline.warehouse._damage import describe_errors
from cbi_pipeline.warehouse._errors import (
    BehindLedger,
    LayoutChanged,
    NothingPublished,
    NotPublished,
    WarehouseError,
    explain_unmigrated,
)
from cbi_pipeline.warehouse._layout import is_todays, lay_out, require_readable
from cbi_pipeline.warehouse._lock import writer_lock
from cbi_pipeline.warehouse._log import Log
from cbi_pipeline.warehouse._publication import (
    current_snapshot,
    list_snapshots,
    newest_sequence,
    prune,
    put_snapshot,
)
from cbi_pipeline.warehouse._rebuild import (
    copy_tables,
    find_unreadable,
    newest_first,
    newest_transaction,
    remove_database,
    swap_database,
)
from cbi_pipeline.warehouse._runs import begin_run, current_run
from cbi_pipeline.warehouse._store import Store


class Warehouse:
    """A DuckDB file with one writer at a time, and the snapshots published from it.

    Args:
        root: folder that holds ``cbi.duckdb``, ``published/`` and the writer lock.
        wait_s: seconds a writer waits for another one before it gives up.
        ledger: where given, nothing is written that would not follow from all of it.
    """

    def __init__(self, root: Path, *, wait_s: float = 60.0, ledger: Log | None = None) -> None:
        self._root = root
        self._wait_s = wait_s
        self._ledger = ledger

    @property
    def published(self) -> Path:
        """Folder of the snapshots; ``current`` in it names the newest."""
        return self._root / "published"

    @contextmanager
    def write(self, *, memory: str | None = None) -> Iterator[Store]:
        """Open the database for writing; a new one is made, an older one migrated.

        Compute outside, write briefly: every other writer waits.

        Args:
            memory: most that the database may hold in memory meanwhile, e.g. ``128MB``; by default
                it keeps what it wrote as long as the machine has room.

        Raises:
            WarehouseBusy: another writer did not finish in time; says who.
            LayoutChanged: the stored tables are not those of today's contracts.
            LayoutTooNew: a newer version of the program wrote them.
            BehindLedger, AheadOfLedger: warehouse and ledger do not belong together.
            DatabaseDamaged, DatabaseRefused: the file cannot be read or written.
        """
        with self._lock(), self._open(memory) as connection:
            store = Store(connection, writable=True)
            if self._ledger is not None:
                self._ledger.require_level(store)
            yield store

    def check(self) -> None:
        """Meet everything that a write would meet, before any work is done for it.

        Raises:
            WarehouseError: as :meth:`write`.
        """
        if self._root.exists() or self._holds_content():
            with self.write():
                pass
            self._open_published_if_any()

    def examine(self) -> None:
        """Read everything that was written and everything that was published.

        Raises:
            WarehouseError: as :meth:`write` and :meth:`read_published`.
        """
        # Opened once before, so that what a killed writer left has been folded into the file.
        self.check()
        if _is_filled(self._database):
            with self.write() as store:
                store.scan()
        with self.read_published() as store:
            store.scan()

    @contextmanager
    def publish_at_end(self) -> Iterator[None]:
        """Let what is done inside be one run, published once when it ends, whatever way it ends.

        Inside, :meth:`read` shows what is committed and :meth:`publish` waits for the end. What a
        killed run committed is published with it. A run inside of a run is a part of that one.

        Raises:
            NotPublished: there was no room for the snapshot, or the file system failed; what the
                run committed stays, and readers keep the snapshot they had.
            WarehouseBusy, BehindLedger: as :meth:`publish`.
        """
        if current_run(self._root) is not None:
            yield
            return
        with begin_run(self._root) as run:
            try:
                yield
            finally:
                if run.is_behind:
                    self._publish_run()

    def publish(self, *, keep: Collection[str] = ()) -> Path | None:
        """Publish the written content as a new snapshot; nothing when it is published already.

        Inside of a run that is left to its end. The three newest snapshots stay, and so do those
        named in ``keep`` or, a name per line, in the file ``published/keep``.

        Raises:
            WarehouseBusy: another writer did not finish in time; says who.
            BehindLedger: there is no written content, and there was some.
            OSError: no room for the copy; readers keep the snapshot they had.
        """
        run = current_run(self._root)
        if run is None:
            return self._publish_now(keep)
        run.is_behind = True
        return None

    def _publish_run(self) -> None:
        try:
            self._publish_now()
        except OSError as error:
            raise NotPublished(
                f"what the run stored is kept, and could not be published in {self.published} "
                f"({error.strerror}): readers keep the snapshot before. Mend that; the next run "
                "publishes it"
            ) from error

    def _publish_now(self, keep: Collection[str] = ()) -> Path:
        with self._lock():
            name = self._settle()
            current = current_snapshot(self.published)
            if current is not None and current.name == name:
                return current
            snapshot = put_snapshot(self._database, self.published, name, keep)
            prune(self.published, keep)
            return snapshot

    @contextmanager
    def read(self) -> Iterator[Store]:
        """Open what the asking code may see: a run what is committed, others what is published.

        Raises:
            WarehouseError: as :meth:`read_committed` inside of a run, as :meth:`read_published`
                outside.
        """
        is_in_run = current_run(self._root) is not None
        with self.read_committed() if is_in_run else self.read_published() as store:
            yield store

    @contextmanager
    def read_committed(self) -> Iterator[Store]:
        """Open the newest content, read-only, published or not; for who decides what to write.

        Read briefly: writers wait where it is not published yet.

        Raises:
            WarehouseBusy: a writer did not finish in time.
            WarehouseError: as :meth:`read_published`.
        """
        connection = self._open_unpublished()
        if connection is None:
            with self.read_published() as store:
                yield store
            return
        run = current_run(self._root)
        if run is not None:
            run.is_behind = True
        with describe_errors(self._database), closing(connection):
            yield Store(connection, writable=False)

    @contextmanager
    def read_published(self) -> Iterator[Store]:
        """Open the newest snapshot, read-only; it does not change while it is open.

        Raises:
            NothingPublished: nothing was published yet.
            BehindLedger: something was, by what the ledger says, and it is gone.
            LayoutChanged: the snapshot's tables are not those of today's contracts.
            LayoutTooNew: a newer version of the program wrote them.
            WarehouseBusy: a home of an earlier version could not be migrated in time.
            DatabaseDamaged, DatabaseRefused: the snapshot cannot be read.
        """
        try:
            connection = self.open_published()
        except NothingPublished:
            if not _is_filled(self._database) and self._holds_content():
                raise BehindLedger(self._describe_lost()) from None
            raise
        with describe_errors(file_of(connection)), closing(connection):
            yield Store(connection, writable=False)

    def _open_unpublished(self) -> duckdb.DuckDBPyConnection | None:
        """The database, read-only, where it holds today's tables and more than was published."""
        if not _is_filled(self._database):
            return None
        connection = open_readable(self._database, self._wait_s)
        try:
            with describe_errors(self._database):
                name = snapshot_name(*read_commit(connection)) if is_todays(connection) else None
        except BaseException:
            connection.close()
            raise
        current = current_snapshot(self.published)
        if name is not None and (current is None or current.name != name):
            return connection
        connection.close()
        return None

    def open_published(self) -> duckdb.DuckDBPyConnection:
        """A read-only connection to the newest snapshot, for the caller to close.

        A home of an earlier version is migrated and published first.

        Raises:
            NothingPublished, LayoutChanged, LayoutTooNew, WarehouseBusy: as
                :meth:`read_published`.
        """
        connection = open_snapshot(self.published / "current")
        try:
            with describe_errors(file_of(connection)):
                if is_todays(connection):
                    return connection
            return self._open_migrated(connection)
        except BaseException:
            connection.close()
            raise

    def _open_published_if_any(self) -> None:
        with suppress(NothingPublished):
            self.open_published().close()

    def _open_migrated(self, older: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        try:
            self._publish_now()
        except (OSError, WarehouseError) as error:
            # Its tables may serve all the same: only views or tables that nobody reads are older.
            try:
                require_readable(older)
            except LayoutChanged:
                raise explain_unmigrated(self._root, error) from error
            return older
        older.close()
        return open_snapshot(self.published / "current")

    @contextmanager
    def recreate(
        self,
        *,
        carry: Collection[str] = (),
        derived: Callable[[], Collection[str]] = tuple,
        kept: bool = False,
    ) -> Iterator[Store]:
        """Build the database anew; it takes the old one's place when the block ends without error.

        This is the restore and the migration to changed contracts. Readers keep the published
        snapshot until the next :meth:`publish`; a failure or a crash leaves the old database as
        it was.

        Args:
            carry: tables copied from the old database, or from a published snapshot where they
                cannot be read there, for what cannot be made again from the ledger, such as
                ``registry.decision``.
            derived: asked at the end of the block: tables copied likewise then, but left empty
                where their columns have changed or they cannot be read.
            kept: take from older snapshots what the newest one does not hold readable.

        Raises:
            WarehouseBusy: another writer did not finish in time; says who.
            LayoutChanged: a carried table has other columns than its contract.
            DatabaseDamaged: a carried table cannot be read anywhere.
        """
        fresh = self._root / "rebuilt.duckdb"
        with self._lock():
            remove_database(fresh)
            try:
                with open_writable(fresh, self._wait_s) as connection:
                    lay_out(connection)
                    earlier = self._list_earlier(kept=kept)
                    copy_tables(connection, earlier, carry, ())
                    yield Store(connection, writable=True)
                    copy_tables(connection, earlier, (), derived())
                    renumber(connection, 1 + newest_sequence(self.published))
                    connection.execute("CHECKPOINT")
                swap_database(fresh, self._database)
            finally:
                remove_database(fresh)

    def find_unreadable(self, tables: Collection[str], *, kept: bool = False) -> dict[str, str]:
        """Those of some tables that no earlier database holds readable, and why.

        Tables are read whole. Where no database is left there is nothing to be read.

        Args:
            tables: the tables.
            kept: look into the older snapshots that are kept as well.

        Raises:
            WarehouseBusy: another writer did not finish in time; says who.
        """
        with self._lock():
            return find_unreadable(self._list_earlier(kept=kept), tables)

    def newest_transaction(self) -> int:
        """Number of the newest ingestion in what can be read of the database and its snapshot.

        Raises:
            WarehouseBusy: another writer did not finish in time; says who.
        """
        with self._lock():
            return newest_transaction(self._list_earlier(kept=True))

    @property
    def _database(self) -> Path:
        return self._root / "cbi.duckdb"

    def _list_earlier(self, *, kept: bool) -> list[Path]:
        """What is left of earlier content, the newest first."""
        current = current_snapshot(self.published)
        snapshots = list_snapshots(self.published) if kept else [current] if current else []
        return newest_first([self._database, *reversed(snapshots)])

    @contextmanager
    def _lock(self) -> Iterator[None]:
        for folder in (self._root, self.published):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with writer_lock(self._root / "writer.lock", self._wait_s):
            yield

    @contextmanager
    def _open(self, memory: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        if not _is_filled(self._database):
            if self._holds_content():
                raise BehindLedger(self._describe_lost())
            # Left by a process that was killed while it made the file.
            self._database.unlink(missing_ok=True)
        with open_writable(self._database, self._wait_s, memory) as connection:
            lay_out(connection)
            yield connection

    def _holds_content(self) -> bool:
        """Whether something was ever written, by what lies beside the database."""
        published = current_snapshot(self.published) is not None
        return published or (self._ledger is not None and self._ledger.has_entries)

    def _describe_lost(self) -> str:
        return (
            f"{self._database} was lost, and what was ingested lies in the ledger: nothing was "
            "written; run `cbi rebuild`, then the same command again"
        )

    def _settle(self) -> str:
        # The copy is taken from a closed file: closing a second descriptor of an open one would
        # drop DuckDB's own lock on it.
        with self._open() as connection:
            connection.execute("CHECKPOINT")
            return snapshot_name(*read_commit(connection))


def _is_filled(database: Path) -> bool:
    return database.exists() and database.stat().st_size > 0
