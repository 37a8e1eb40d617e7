"""The plain-file copy of the issued forecasts: one JSON object a line, beside the database."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from cbi_pipeline.durable import flush_to_disk, sync
from cbi_pipeline.issued.chain import Row, describe, faults
from data_contracts.issued import FORECAST

_BLOCK = 65536
_INSTANT = FORECAST.dtypes["as_of"]
_JSON_TYPES: dict[pl.DataType, type] = {
    pl.Int64(): int,
    pl.Float64(): float,
    pl.Boolean(): bool,
    pl.String(): str,
    pl.Date(): str,
    _INSTANT: str,
}


def line(row: Row) -> str:
    """One row as the line that stands for it; floats are written so that they read back exactly."""
    return json.dumps({name: _encode_value(row[name]) for name in FORECAST.dtypes}, allow_nan=False)


def parse(text: str) -> dict[str, Any]:
    """The row a line stands for.

    Raises:
        ValueError: it is no line of ours.
    """
    row = json.loads(text)
    if not isinstance(row, dict) or list(row) != list(FORECAST.dtypes):
        raise ValueError("not the columns of issued.forecast")
    return {name: _parse_value(name, row[name], dtype) for name, dtype in FORECAST.dtypes.items()}


def _parse_value(name: str, value: object, dtype: pl.DataType) -> object:
    if type(value) is not _JSON_TYPES[dtype]:
        raise ValueError(f"{name} is {value!r}")
    if dtype == pl.Date:
        return date.fromisoformat(str(value))
    if dtype == _INSTANT:
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    return value


def _encode_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    return value.isoformat() if isinstance(value, date) else value


def read(path: Path) -> tuple[list[str], str]:
    """The complete lines of the copy, and what an interrupted write left after the last of them."""
    if not path.exists():
        return [], ""
    *lines, rest = path.read_text(encoding="ascii", errors="replace").split("\n")
    return lines, rest


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the copy ends.

    Attributes:
        last: newest complete line; None when there is none.
        complete: bytes up to the end of that line.
        torn: True when an interrupted write left part of a line after it.
    """

    last: str | None
    complete: int
    torn: bool


def tail(path: Path) -> Tail:
    """The end of the copy, read from the back."""
    if not path.exists():
        return Tail(last=None, complete=0, torn=False)
    with path.open("rb") as file:
        start = end = file.seek(0, os.SEEK_END)
        block = b""
        while start and block.count(b"\n") < 2:
            start = max(0, start - _BLOCK)
            file.seek(start)
            block = file.read(end - start)
    kept = block.rfind(b"\n") + 1
    lines = block[:kept].decode("ascii", "replace").split("\n")
    return Tail(last=lines[-2] if kept else None, complete=start + kept, torn=kept < len(block))


def count_lines(path: Path) -> int:
    """Number of complete lines."""
    return path.read_bytes().count(b"\n")


def extend(path: Path, rows: Iterable[Row]) -> None:
    """Cut off an interrupted write, append rows, and force them to the disk."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = "".join(line(row) + "\n" for row in rows)
    end = tail(path).complete
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "rb+") as file:
        file.seek(end)
        file.truncate()
        file.write(text.encode("ascii"))
        flush_to_disk(file)
    sync(path.parent)


def verify(rows: pl.DataFrame, path: Path) -> list[str]:
    """Every changed, missing or extra row of the issued forecasts, in words; empty when whole.

    Both copies are checked: the database against its own chain, the file against the database.
    A file that merely lacks the newest rows is named as an interrupted append, which the next
    append completes; everything else is damage.

    Args:
        rows: all rows of issued.forecast.
        path: the plain-file copy.
    """
    recorded = rows.sort("sequence").to_dicts()
    lines, rest = read(path)
    return [
        *(f"database: {fault}" for fault in faults(recorded)),
        *(f"{path}: {fault}" for fault in _file_faults(recorded, lines, rest)),
    ]


def _file_faults(recorded: Sequence[Row], lines: Sequence[str], rest: str) -> list[str]:
    expected = {row["sequence"]: row for row in recorded}
    problems: list[str] = []
    seen: list[int] = []
    for number, text in enumerate(lines, start=1):
        try:
            row = parse(text)
        except ValueError as error:
            problems.append(f"line {number} cannot be read ({error})")
            continue
        problems += _line_faults(number, text, row, expected.get(row["sequence"]))
        seen.append(row["sequence"])
    return [
        *problems,
        *_order_faults(seen),
        *_describe_absent(expected, seen),
        *_describe_torn(len(lines) + 1, rest),
    ]


def _line_faults(number: int, text: str, row: Row, expected: Row | None) -> list[str]:
    if expected is None:
        return [f"line {number} holds {describe(row)}, which the database lacks"]
    if text == line(expected):
        return []
    differing = [name for name in FORECAST.dtypes if row[name] != expected[name]]
    columns = ", ".join(f"{name} {row[name]} instead of {expected[name]}" for name in differing)
    return [f"line {number}, {describe(expected)}, was changed: {columns or 'its spelling'}"]


def _order_faults(seen: Sequence[int]) -> list[str]:
    repeated = [sequence for sequence, count in Counter(seen).items() if count > 1]
    problems = [f"row {sequence} stands more than once" for sequence in repeated]
    for before, after in pairwise(seen):
        if after < before:
            problems.append(f"row {after} stands after row {before}: the order was changed")
    return problems


def _describe_absent(expected: dict[int, Row], seen: Sequence[int]) -> list[str]:
    newest = max(seen, default=0)
    absent = sorted(set(expected) - set(seen))
    inside = [f"{describe(expected[s])} is missing" for s in absent if s < newest]
    pending = [s for s in absent if s > newest]
    if pending:
        inside.append(
            f"rows {pending[0]} to {pending[-1]}, the newest of the database, are missing: "
            "an interrupted append, which the next append completes"
        )
    return inside


def _describe_torn(number: int, rest: str) -> list[str]:
    if not rest:
        return []
    return [
        f"the last line, line {number}, is cut off: an interrupted append, which the next append "
        "completes"
    ]
