"""Staging: the rows of a pull however many, taken up again as many at a time as are not too many.

A pull is judged series by series, and comes in the order of its periods. So its rows are put down
by *block*, a run of series that are judged together, and taken up again block by block; they stay
in memory while few, and go to a nameless file once they are many. A block that is too long itself
is taken up in stretches of periods.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple, Self

import polars as pl

from cbi_pipeline.feeds import Answer, FeedError, Parsed, Pull, Source
from cbi_pipeline.ingest._incidents import Fault
from cbi_pipeline.ingest._stored import Stored, Stretch
from cbi_pipeline.ledger import Ledger, Response
from data_contracts.families import family

#: Rows that are stored or judged at once, beyond which the memory they take would show.
MANY = 100_000
#: Rows of a pull that wait in memory: the file is written in larger pieces than it is read in.
_PENDING = 2 * MANY
#: Most blocks of a pull.
_BLOCKS = 64

_BLOCK = "block"

#: Where a row stands in what was landed.
LOCATION = ["response_id", "locator"]


class Batch(NamedTuple):
    """Rows that are judged together: of some series, in a stretch of periods."""

    series: tuple[str, ...]
    stretch: Stretch
    rows: pl.DataFrame


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
        codes = {series.id: series.code for series in feed.series}
        asked = {name: codes.get(name, name) for name in pull.series}
        order = {code: number for number, code in enumerate(sorted(set(asked.values())))}
        share = max(len(order), _BLOCKS)
        return cls({name: order[code] * _BLOCKS // share for name, code in asked.items()})

    @cached_property
    def members(self) -> Mapping[int, tuple[str, ...]]:
        """Series of each block."""
        members: dict[int, list[str]] = {}
        for name, number in self.numbers.items():
            members.setdefault(number, []).append(name)
        return {number: tuple(members[number]) for number in sorted(members)}

    def groups(self, sizes: Mapping[int, int]) -> Iterator[tuple[int, ...]]:
        """Blocks to take up together: as many in a row as stay below ``MANY``, one at least.

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


class _Piece(NamedTuple):
    """Rows in the file: where they lie, and their first and last period."""

    begin: int
    size: int
    first: date | None
    last: date | None

    def meets(self, stretch: Stretch) -> bool:
        """Whether some of its rows may lie in a stretch."""
        # A row without a period is counted to the first stretch.
        if self.first is None or self.last is None or stretch.first is None:
            return True
        return stretch.first <= self.last and (stretch.last is None or self.first <= stretch.last)


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
    _written: dict[int, list[_Piece]] = field(default_factory=dict)
    _sizes: Counter[int] = field(default_factory=Counter)
    _empty: pl.DataFrame | None = None
    _file: IO[bytes] | None = None

    def put(self, rows: pl.DataFrame) -> None:
        """Put rows down; they have a ``series_id``, a ``period`` and the columns of all before."""
        self._empty = rows.clear()
        self._fresh.append(rows)
        self._waiting += len(rows)
        if self._waiting >= _PENDING:
            self._sort()
            self._write()

    def sizes(self) -> Counter[int]:
        """Number of rows by block."""
        self._sort()
        return self._sizes

    def take(self, blocks: Sequence[int], stretch: Stretch = Stretch()) -> pl.DataFrame:  # noqa: B008
        """The rows of some blocks in a stretch of periods."""
        assert self._empty is not None, "nothing was ever put down"
        return pl.concat([self._empty, *self._frames(blocks, stretch)])

    def all(self) -> pl.DataFrame:
        """Every row."""
        return self.take(list(self.blocks.members))

    def pick(self, series: Collection[str]) -> pl.DataFrame:
        """The rows of some series."""
        assert self._empty is not None, "nothing was ever put down"
        blocks = sorted({self.blocks.numbers[name] for name in series})
        wanted = pl.col("series_id").is_in(list(series))
        frames = (rows.filter(wanted) for rows in self._frames(blocks, Stretch()))
        return pl.concat([self._empty, *frames])

    def iterate(self, blocks: Sequence[int]) -> Iterator[pl.DataFrame]:
        """The rows of some blocks, in frames that are not many each."""
        frames: list[pl.DataFrame] = []
        for rows in self._frames(blocks, Stretch()):
            if frames and sum(map(len, frames)) + len(rows) > MANY:
                yield pl.concat(frames)
                frames = []
            frames.append(rows)
        if frames:
            yield pl.concat(frames)

    def batches(self, stored: Stored, *, cut: Callable[[Sequence[str]], bool]) -> Iterator[Batch]:
        """Every row, as many at a time as are not too many with what is stored of their series.

        Args:
            stored: what is stored.
            cut: whether rows of some series may be looked at a stretch of periods at a time.
        """
        for blocks in self.blocks.groups(self._sizes_beside(stored)):
            names = tuple(name for block in blocks for name in self.blocks.members[block])
            stretches = self._stretches(blocks, names, stored) if cut(names) else [Stretch()]
            for stretch in stretches:
                yield Batch(names, stretch, self.take(blocks, stretch))

    def _sizes_beside(self, stored: Stored) -> Counter[int]:
        beside: Counter[int] = Counter()
        for name, number in self.blocks.numbers.items():
            beside[number] += stored.sizes.get(name, 0)
        return self.sizes() + beside

    def _stretches(
        self, blocks: Sequence[int], names: Sequence[str], stored: Stored
    ) -> Sequence[Stretch]:
        """Stretches of periods that together are all there are, each of no more than ``MANY`` rows.

        A day is not parted, however many rows it has.
        """
        sizes = self._sizes_beside(stored)
        if sum(sizes[block] for block in blocks) <= MANY:
            return [Stretch()]
        days = stored.days(names)
        for rows in self._frames(blocks, Stretch()):
            days += Counter(dict(rows.drop_nulls("period").group_by("period").len().iter_rows()))
        ends, rows_so_far = list[date](), 0
        before: date | None = None
        for day in sorted(days):
            if before is not None and rows_so_far + days[day] > MANY:
                ends.append(before)
                rows_so_far = 0
            rows_so_far += days[day]
            before = day
        firsts = [None, *(end + timedelta(days=1) for end in ends)]
        return [Stretch(first, last) for first, last in zip(firsts, [*ends, None], strict=True)]

    def _frames(self, blocks: Sequence[int], stretch: Stretch) -> Iterator[pl.DataFrame]:
        self._sort()
        inside = stretch.covers(pl.col("period"))
        for block in blocks:
            for piece in self._written.get(block, ()):
                if piece.meets(stretch):
                    rows = self._read(piece)
                    yield rows if stretch == Stretch() else rows.filter(inside)
            for rows in self._sorted.get(block, ()):
                yield rows if stretch == Stretch() else rows.filter(inside)

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

    def _write(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115  (kept open)
        for block, frames in self._sorted.items():
            rows, packed = pl.concat(frames), BytesIO()
            rows.write_ipc_stream(packed, compression="lz4")
            span = rows.select(first=pl.col("period").min(), last=pl.col("period").max()).row(0)
            piece = _Piece(self._file.tell(), packed.tell(), *span)
            self._written.setdefault(block, []).append(piece)
            self._file.write(packed.getbuffer())
        self._sorted, self._waiting = {}, 0

    def _read(self, piece: _Piece) -> pl.DataFrame:
        assert self._file is not None
        self._file.seek(piece.begin)
        rows = pl.read_ipc_stream(self._file.read(piece.size))
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
        stamped: whether newer periods are dated by when the file behind a page was last changed;
            nights that were recorded before anybody read it are not.
    """

    pull: Pull
    responses: tuple[Response, ...]
    rows: Spool
    ignored: int
    complete: tuple[str, ...] = ()
    oldest: datetime | None = None
    as_answered: bool = False
    sized: bool = False
    stamped: bool = False

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
            # A long answer comes as several pages.
            responses.extend([response] if response not in responses[-1:] else [])
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
            stamped=stamped,
        )

    def batches(self, source: Source, stored: Stored) -> Iterator[Batch]:
        """Its rows, as many at a time as can be judged together.

        A long series is judged a stretch of periods at a time, unless a rule of its family compares
        rows that may be far apart.
        """
        families = {series.id: family(series.family) for series in source.series}
        parted = {series.id for series in source.series if series.span is None}

        def cut(names: Sequence[str]) -> bool:
            followed = [name for name in names if name in families]
            return parted.issuperset(followed) and all(
                families[name].is_local(in_order=not self.as_answered) for name in followed
            )

        return self.rows.batches(stored, cut=cut)

    def add_source_rows(
        self, rejected: pl.DataFrame, source: Source, ledger: Ledger
    ) -> pl.DataFrame:
        """Rejected rows with the source rows behind them, read again from the ledger."""
        places = rejected.select(LOCATION).unique()
        behind = set(places["response_id"])
        doubtful = [response for response in self.responses if response.response_id in behind]
        rows = [
            parsed.sourced.select(
                pl.lit(response.response_id).alias("response_id"), "locator", "row_json"
            ).join(places, on=LOCATION, how="semi")
            for response, parsed in parse_landed(source, doubtful, ledger)
        ]
        if not rows:
            return rejected
        return (
            rejected.drop("row_json")
            .join(pl.concat(rows), on=LOCATION, how="left", maintain_order="left")
            .select(rejected.columns)
        )

    def fault(self, error: FeedError) -> Fault:
        """The fault an error in its answers makes, which were landed and are not used."""
        return Fault.of(
            error, self.pull.name, [response.response_id for response in self.responses]
        )


def parse_landed(
    feed: Source, responses: Iterable[Response], ledger: Ledger
) -> Iterator[tuple[Response, Parsed]]:
    """The rows of landed answers in turn, of a long one a part at a time."""
    for response in responses:
        headers = json.loads(response.headers)
        answer = Answer(response.url, response.status, headers, ledger.body(response))
        for parsed in feed.parse(answer).parts():
            yield response, parsed
