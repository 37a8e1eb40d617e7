"""Append-only files of one JSON document a line, safe against a crash in the middle of a line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Generic, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from cbi_pipeline.durable import flush_to_disk
from cbi_pipeline.ledger._errors import LedgerDamaged

T = TypeVar("T")

_BLOCK = 65536
_POLL_S = 0.005
_CUT_OFF = (
    "{path}, line {number} is cut off: a crash left it, and the next line written there takes its "
    "place; restore the file from a copy if nothing crashed"
)


class Tail(NamedTuple):
    """How a file ends: its newest finished line, the number of that line, and what follows it."""

    line: str
    number: int
    rest: str


def append_line(path: Path, text: str | Callable[[], str | None]) -> None:
    """Add a line durably; one that a crash left unfinished before it is dropped first.

    Processes that add to one file take turns.

    Args:
        path: the file, made when it is missing.
        text: the line; or what says it, or that there is none, once no one else adds any.

    Raises:
        LedgerDamaged: the last line has no line break and is whole all the same.
    """
    from filelock import FileLock

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A line that another process is writing right now looks like one cut off by a crash. The
    # system lets the lock go with the process.
    lock = FileLock(path.with_name(f".{path.name}.lock"), poll_interval=_POLL_S)
    with lock, path.open("ab+") as file:
        _drop_torn_line(path, file)
        line = text if isinstance(text, str) else text()
        if line is None:
            return
        file.write(line.encode() + b"\n")
        flush_to_disk(file)


def whole_lines(path: Path) -> list[str]:
    """The finished lines, oldest first; none when there is no file.

    Raises:
        LedgerDamaged: the last line has no line break and is whole all the same.
    """
    if not path.exists():
        return []
    *lines, rest = _text(path.read_bytes()).split("\n")
    require_cut_off(path, len(lines) + 1, rest)
    return [line + "\n" for line in lines]


def read_documents(path: Path, kind: TypeAdapter[T]) -> list[T]:
    """What the finished lines say, oldest first.

    Raises:
        LedgerDamaged: a line does not say a ``kind``, or the last one is whole without its line
            break; names file and line.
    """
    return [
        read_document(path, number, line, kind)
        for number, line in enumerate(whole_lines(path), start=1)
    ]


class Readings(NamedTuple, Generic[T]):
    """What could be read of a file, and what could not.

    Attributes:
        documents: number of each line and what it says.
        faults: every line that is damaged or cut off, in words, with its file and number.
    """

    documents: list[tuple[int, T]]
    faults: list[str]


def examine_documents(path: Path, kind: TypeAdapter[T]) -> Readings[T]:
    """Read every line that can be read, and name every other."""
    if not path.exists():
        return Readings([], [])
    *lines, rest = _text(path.read_bytes()).split("\n")
    documents: list[tuple[int, T]] = []
    faults: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            documents.append((number, read_document(path, number, line, kind)))
        except LedgerDamaged as error:
            faults.append(str(error))
    try:
        require_cut_off(path, len(lines) + 1, rest)
    except LedgerDamaged as error:
        faults.append(str(error))
    else:
        faults += [_CUT_OFF.format(path=path, number=len(lines) + 1)] if rest else []
    return Readings(documents, faults)


def read_document(path: Path, number: int, line: str, kind: TypeAdapter[T]) -> T:
    """What one line says.

    Raises:
        LedgerDamaged: it does not say a ``kind``; names file and line.
    """
    try:
        return kind.validate_json(line.encode(errors="surrogateescape"))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, fault["loc"]))
        why = f"{field}: {fault['msg']}" if field else fault["msg"]
        raise LedgerDamaged(
            f"{path}, line {number} is damaged ({why}); restore the file from a copy"
        ) from error


def tail(path: Path) -> Tail:
    """The end of a file, read from the back; empty without one."""
    if not path.exists():
        return Tail("", 0, "")
    with path.open("rb") as file:
        start = end = file.seek(0, os.SEEK_END)
        block = b""
        while start and block.count(b"\n") < 2:
            start = max(0, start - _BLOCK)
            file.seek(start)
            block = file.read(end - start)
        *lines, rest = _text(block).split("\n")
        number = _count_lines(file, start) + len(lines)
    return Tail(lines[-1] if lines else "", number, rest)


def finished_size(path: Path) -> int:
    """Bytes up to the end of the last finished line."""
    return path.stat().st_size - len(tail(path).rest.encode(errors="surrogateescape"))


def require_cut_off(path: Path, number: int, rest: str) -> None:
    """What follows the last line break was cut off by a crash before it counted, or it is damage.

    Raises:
        LedgerDamaged: it is a whole document, so that it may count.
    """
    try:
        json.loads(rest)
    except ValueError:
        return
    raise LedgerDamaged(
        f"{path}, line {number} is whole but has no line break, which no crash leaves; end it with "
        f"one (echo >> {path}) and run `cbi ledger verify`"
    )


def _text(content: bytes) -> str:
    # Bytes that are no text go through, so that what reads the line names it.
    return content.decode(errors="surrogateescape")


def _count_lines(file: BinaryIO, end: int) -> int:
    file.seek(0)
    blocks = (file.read(min(_BLOCK, end - at)) for at in range(0, end, _BLOCK))
    return sum(block.count(b"\n") for block in blocks)


def _drop_torn_line(path: Path, file: BinaryIO) -> None:
    size = file.seek(0, os.SEEK_END)
    if not size or os.pread(file.fileno(), 1, size - 1) == b"\n":
        return
    file.seek(0)
    content = file.read()
    start = content.rfind(b"\n") + 1
    require_cut_off(path, content.count(b"\n") + 1, _text(content[start:]))
    os.ftruncate(file.fileno(), start)
