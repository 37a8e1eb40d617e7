"""Rows of a pull, however many: in memory while few, in a nameless file once they are many.

A pull is judged series by series, and comes in the order of its periods. So its rows are put down
by *block*, a run of series that are judged together, and taken up again block by block.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import IO

import polars as pl

from cbi_pipeline.feeds.live import LiveFeed, Pull

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
    def of(cls, feed: LiveFeed, pull: Pull) -> Blocks:
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
