"""Staging: rows of a pull however many, and what is held of their series beside them.

A pull is judged series by series, and comes in the order of its periods. So its rows are put down
by *block*, a run of series that are judged together, and taken up again block by block; they stay
in memory while few, and go to a nameless file once they are many. What is held of a source's
series decides what is asked, what is new and what is gone.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import IO, Self

import polars as pl

from cbi_pipeline.feeds import FeedError, Parsed, Pull, Source
from cbi_pipeline.ingest._incidents import Fault
from cbi_pipeline.ledger import Ledger, Response
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse
from data_contracts.observation import QUARANTINE
from data_contracts.restatement import is_confirmable
from data_contracts.versioned import OBSERVATIONS, VersionedTable

#: Later than any knowledge time: the state of everything accepted.
END_OF_TIME = datetime.fromisoformat("9999-12-31T00:00:00+00:00")
#: Rows that are held or judged at once, beyond which the memory they take would show.
MANY = 100_000
#: Rows of a pull that wait in memory: the file is written in larger pieces than it is read in.
_PENDING = 2 * MANY
#: Most blocks of a pull.
_BLOCKS = 64

_BLOCK = "block"


@dataclass(frozen=True)
class Blocks:
    """The blocks of some series: neighbours share one, and so do series of one code.

    Attributes:
        numbers: block of each series.
    """

    numbers: Mapping[str, int]

    @classmethod
    def of(cls, feed: Source, pull: Pull) -> Blocks:
        """The blocks of the series a pull asks for."""
        known = {one.id: one.code for one in feed.series}
        codes = {name: known.get(name, name) for name in pull.series}
        order = {code: number for number, code in enumerate(sorted(set(codes.values())))}
        share = max(len(order), _BLOCKS)
        return cls({name: order[code] * _BLOCKS // share for name, code in codes.items()})

    @cached_property
    def members(self) -> Mapping[int, tuple[str, ...]]:
        """Series of each block."""
        found: dict[int, list[str]] = {}
        for name, number in self.numbers.items():
            found.setdefault(number, []).append(name)
        return {number: tuple(found[number]) for number in sorted(found)}

    def batches(
        self, rows: Counter[int], held: Mapping[str, int]
    ) -> Iterator[tuple[tuple[int, ...], tuple[str, ...]]]:
        """Blocks to judge together, and their series, when what is held of them is looked at too.

        Args:
            rows: rows to look at of each block.
            held: rows held of each series.
        """
        known: Counter[int] = Counter()
        for name, number in self.numbers.items():
            known[number] += held.get(name, 0)
        for group in self.groups(rows + known):
            yield group, tuple(name for block in group for name in self.members[block])

    def groups(self, sizes: Mapping[int, int]) -> Iterator[tuple[int, ...]]:
        """Blocks to judge together: as many in a row as stay below ``MANY``, one at least.

        Args:
            sizes: rows to look at of each block.
        """
        group: list[int] = []
        rows = 0
        for number in self.members:
            size = sizes.get(number, 0)
            if group and rows + size > MANY:
                yield tuple(group)
                group, rows = [], 0
            group.append(number)
            rows += size
        if group:
            yield tuple(group)


@dataclass
class Spool:
    """Rows by block, in the order they were put down.

    Attributes:
        blocks: block of each series; rows of other series go to the first.
        folder: where the file lies; it has no name, and goes with the spool or its process.
    """

    blocks: Blocks
    folder: Path
    _fresh: list[pl.DataFrame] = field(default_factory=list)
    _waiting: int = 0
    _sorted: dict[int, list[pl.DataFrame]] = field(default_factory=dict)
    _stored: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    _sizes: Counter[int] = field(default_factory=Counter)
    _empty: pl.DataFrame | None = None
    _file: IO[bytes] | None = None

    def put(self, rows: pl.DataFrame) -> None:
        """Put rows down; they have a ``series_id`` and the columns of all before."""
        self._empty = rows.clear()
        self._fresh.append(rows)
        self._waiting += len(rows)
        if self._waiting >= _PENDING:
            self._sort()
            self._store()

    def sizes(self) -> Counter[int]:
        """Number of rows by block."""
        self._sort()
        return self._sizes

    def take(self, blocks: Sequence[int]) -> pl.DataFrame:
        """The rows of some blocks."""
        self._sort()
        assert self._empty is not None, "nothing was ever put down"
        found = [self._empty]
        for block in blocks:
            found.extend(self._read(*place) for place in self._stored.get(block, ()))
            found.extend(self._sorted.get(block, ()))
        return pl.concat(found)

    def all(self) -> pl.DataFrame:
        """Every row."""
        return self.take(list(self.blocks.members))

    def _sort(self) -> None:
        """Part what was put down by block."""
        if not self._fresh:
            return
        number = pl.col("series_id").replace_strict(
            self.blocks.numbers, default=min(self.blocks.members), return_dtype=pl.Int32
        )
        rows = pl.concat(self._fresh).with_columns(number.alias(_BLOCK))
        for part in rows.partition_by(_BLOCK, maintain_order=True):
            block = part[_BLOCK][0]
            self._sizes[block] += len(part)
            self._sorted.setdefault(block, []).append(part.drop(_BLOCK))
        self._fresh = []

    def _store(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115  (kept open)
        for block, rows in self._sorted.items():
            packed = BytesIO()
            pl.concat(rows).write_ipc_stream(packed, compression="lz4")
            self._stored.setdefault(block, []).append((self._file.tell(), packed.tell()))
            self._file.write(packed.getbuffer())
        self._sorted, self._waiting = {}, 0

    def _read(self, place: int, size: int) -> pl.DataFrame:
        assert self._file is not None
        self._file.seek(place)
        rows = pl.read_ipc_stream(self._file.read(size))
        self._file.seek(0, 2)
        return rows


@dataclass(frozen=True, slots=True)
class LandedPull:
    """One pull whose pages are all there, or one file.

    Attributes:
        pull: what was asked.
        responses: its pages, as they lie in the ledger.
        rows: the rows of all pages in turn, each with its ``period`` and ``response_id``, their
            ``row_json`` left empty: source rows are long, and few are ever looked at.
        ignored: number of source rows that are none of the table's.
        complete: series whose whole history it carries.
        oldest: when the first of its rows became public; None where no row says it.
        as_answered: whether rows are judged in the order in which they came and not in that of
            their periods: files are, and nights that earlier versions of this program recorded.
        sized: whether a change of size that no factor explains is refused, as those nights did.
        changed: when the file behind each page was last changed, as its publisher says; None where
            it does not say it, and in nights that were recorded before anybody read it.
    """

    pull: Pull
    responses: tuple[Response, ...]
    rows: Spool
    ignored: int
    complete: tuple[str, ...] = ()
    oldest: datetime | None = None
    as_answered: bool = False
    sized: bool = False
    changed: tuple[datetime | None, ...] = ()

    @classmethod
    def of(
        cls,
        source: Source,
        pull: Pull,
        ledger: Ledger,
        pages: Iterable[tuple[Response, Parsed]],
        *,
        as_answered: bool = False,
        sized: bool = False,
        stamped: bool = False,
    ) -> Self:
        """A pull of these pages."""
        rows, ignored = Spool(Blocks.of(source, pull), ledger.root), 0
        responses: list[Response] = []
        complete: list[str] = []
        oldest: list[datetime] = []
        for response, parsed in pages:
            rows.put(
                source.table.with_period(parsed.frame).with_columns(
                    response_id=pl.lit(response.response_id), row_json=pl.lit("")
                )
            )
            responses.append(response)
            ignored += sum(parsed.ignored.values())
            complete.extend(parsed.complete)
            first: datetime | None = parsed.frame["available_at"].min()  # type: ignore[assignment]
            oldest.extend([first] if first is not None else [])
        return cls(
            pull=pull,
            responses=tuple(responses),
            rows=rows,
            ignored=ignored,
            complete=tuple(complete),
            oldest=min(oldest, default=None),
            as_answered=as_answered,
            sized=sized,
            changed=tuple(_changed(one) if stamped else None for one in responses),
        )

    def fault(self, error: FeedError) -> Fault:
        """The fault an error in its answers makes, which were landed and are not used."""
        ids = [response.response_id for response in self.responses]
        return Fault.of(error, self.pull.name, ids)


def _changed(response: Response) -> datetime | None:
    try:
        at = parsedate_to_datetime(json.loads(response.headers)["last-modified"])
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (KeyError, ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class Cells:
    """The newest version of every cell of some series.

    Attributes:
        rows: what tells each cell apart, its content and its ``period``, sorted.
        table: table that they are of.
    """

    rows: pl.DataFrame
    table: VersionedTable = OBSERVATIONS

    def within(self, pull: Pull) -> pl.DataFrame:
        """Cells a pull asks for again, withdrawn ones aside."""
        asked = pl.col("series_id").is_in(pull.series) & (pl.col("period") >= pull.first)
        if pull.last is not None:
            asked &= pl.col("period") <= pull.last
        return self.rows.filter(asked & (pl.col("status") != "withdrawn"))

    def news(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows that say something other than what is held."""
        cell = self.table.cell
        met = rows.join(self.rows, on=cell, how="left", suffix="_held", maintain_order="left")
        same = self.table.says_as("{}_held")
        return met.filter(~same.fill_null(value=False)).select(rows.columns)


@dataclass(frozen=True, slots=True)
class Held:
    """What an open warehouse holds of a feed's series, its cells read as they are needed.

    Attributes:
        newest: newest period per series that has any.
        sizes: versions per series of which anything was ever held.
        doubts: rows of ``quarantine.row`` that wait for a second sight, or were let in by one.
        table: table that its source fills.
    """

    newest: Mapping[str, date] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    doubts: pl.DataFrame = field(default_factory=QUARANTINE.empty)
    table: VersionedTable = OBSERVATIONS
    _store: Store | None = None

    @classmethod
    @contextmanager
    def published(cls, warehouse: Warehouse, feed: Source) -> Iterator[Held]:
        """What the published snapshot holds, readable while the block lasts."""
        with ExitStack() as stack:
            try:
                store = stack.enter_context(warehouse.read())
            except NothingPublished:
                yield cls(table=feed.table)
            else:
                yield cls.read(store, feed)

    @classmethod
    def read(cls, store: Store, feed: Source) -> Held:
        """What an open warehouse holds of a feed's series."""
        names, table, time = [one.id for one in feed.series], feed.table, feed.table.time
        sizes = store.query(
            f"SELECT series_id, count(*) FROM {table.name} WHERE series_id = ANY(?) GROUP BY ALL",
            [names],
        )
        # A withdrawn period may have been given again since.
        newest = store.query(
            f"""
            WITH ours AS NOT MATERIALIZED (
                FROM {table.name} WHERE series_id = ANY(?)),
            doubtful AS (
                SELECT series_id, {time}, max_by(status, version) AS status
                FROM ours SEMI JOIN (
                    SELECT DISTINCT series_id, {time} FROM ours WHERE status = 'withdrawn'
                ) USING (series_id, {time}) GROUP BY ALL)
            SELECT series_id, max({table.day_sql})
            FROM ours ANTI JOIN (FROM doubtful WHERE status = 'withdrawn')
                USING (series_id, {time})
            GROUP BY ALL""",
            [names],
        )
        aside = store.table("quarantine.row", "feed = ? AND fate <> 'superseded'", [feed.name])
        rules = list(filter(is_confirmable, aside["rule"].unique()))
        doubts = aside.filter(pl.col("rule").is_in(rules))
        return cls(dict(newest.iter_rows()), dict(sizes.iter_rows()), doubts, table, store)

    def cells(self, series: Collection[str]) -> Cells:
        """The cells of some series."""
        met = [name for name in series if name in self.sizes]
        table = self.table
        columns = [*table.cell, *table.identity, *table.content]
        if self._store is None or not met:
            return Cells(table.with_period(table.contract.empty().select(columns)), table)
        rows = self._store.query(
            f"""
            SELECT {", ".join(columns)} FROM {table.name}
            WHERE series_id = ANY(?)
            QUALIFY version = max(version) OVER (PARTITION BY {", ".join(table.cell)})
            ORDER BY {", ".join(table.cell)}""",
            [met],
        )
        return Cells(table.with_period(rows), table)
