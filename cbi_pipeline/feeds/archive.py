"""The embedded official records: which files there are, whether they are the recorded ones.

``PROVENANCE.toml`` beside the files says where each came from and what its bytes hash to.
Nothing is read before every file matches it. A person who edits a file on purpose seals the
archive afterwards; the record then says that it was modified.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import tomlkit

from cbi_pipeline.feeds.archive_rows import FEED, SCHEME, count_rows, parse
from cbi_pipeline.feeds.errors import ArchiveChecksumMismatch, ArchiveFileMissing, UnexpectedShape
from cbi_pipeline.feeds.source import Pull, Series, Source
from data_contracts.release import EASTERN

PACKAGED = Path(__file__).resolve().parent / "archive_data"
RECORD = "PROVENANCE.toml"
_RESTORE = "Restore the archive as shipped"

#: Reads the bytes of its files. When it was closed, and which series it has, its record says.
READER = Source(
    name=FEED,
    title="Embedded official records",
    zone=ZoneInfo(EASTERN),
    series=(),
    pulls=lambda asked, newest, today: (),
    parse=lambda answer: parse(answer.url, answer.body),
    closed=datetime.max.replace(tzinfo=UTC),
)


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """One recorded file.

    Attributes:
        name: file name inside the archive folder.
        sha256: hash of the bytes that should be there.
        shipped_sha256: hash of the bytes that came with the project.
        rows: source rows, without header and blank lines.
        rights: rights label of its series.
        modified: whether it was edited and sealed since it was shipped.
    """

    name: str
    sha256: str
    shipped_sha256: str
    rows: int
    rights: str
    modified: bool


@dataclass(frozen=True, slots=True)
class SeriesRecord:
    """One recorded series.

    Attributes:
        id: series id, e.g. ``EIA.RWTC``.
        family: contract family.
        name: title.
        unit: unit of its values.
        frequency: daily, weekly or monthly.
        rights: rights label.
        first: first period of the record as shipped.
        last: last period of the record as shipped.
        label: what the source file calls it.
        files: files that carry it.
    """

    id: str
    family: str
    name: str
    unit: str
    frequency: Literal["daily", "weekly", "monthly"]
    rights: str
    first: date
    last: date
    label: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """What ``PROVENANCE.toml`` says.

    Attributes:
        clock: the last instant at which a value of the archive became public, UTC.
        files: recorded files, in the order in which they are read.
        series: recorded series.
    """

    clock: datetime
    files: tuple[ArchivedFile, ...]
    series: tuple[SeriesRecord, ...]

    @property
    def modified(self) -> tuple[str, ...]:
        """Names of the files that were edited and sealed."""
        return tuple(file.name for file in self.files if file.modified)


def source(archive_dir: Path = PACKAGED) -> Source:
    """The archive as a source. Asking it for its files verifies every one of them first.

    Raises:
        ArchiveFileMissing, UnexpectedShape: as :func:`read_record`.
        ArchiveFileMissing, ArchiveChecksumMismatch: by ``pulls`` and ``examine``, as
            :func:`verify`.
    """
    record = read_record(archive_dir)
    return replace(
        READER,
        series=tuple(map(_make_series, record.series)),
        closed=record.clock,
        pulls=lambda asked, newest, today: [
            _pull(archive_dir, record, item) for item in verify(archive_dir)
        ],
        examine=lambda: [
            f"{item.name} was edited and sealed" for item in verify(archive_dir) if item.modified
        ],
    )


def _make_series(item: SeriesRecord) -> Series:
    return Series(
        id=item.id,
        code=item.label,
        family=item.family,
        name=item.name,
        unit=item.unit,
        frequency=item.frequency,
        group=item.files[0],
        since=item.first,
        span=(item.first, item.last),
        rights=item.rights,
        origin=f"{RECORD}: {', '.join(item.files)}",
    )


def _pull(archive_dir: Path, record: Record, file: ArchivedFile) -> Pull:
    carried = tuple(item.id for item in record.series if file.name in item.files)
    return Pull(file.name, SCHEME + file.name, carried, date.min, path=archive_dir / file.name)


def verify(archive_dir: Path = PACKAGED) -> tuple[ArchivedFile, ...]:
    """The recorded files, every one of them present and with the recorded bytes.

    Raises:
        ArchiveFileMissing: a recorded file, or the record itself, is gone.
        ArchiveChecksumMismatch: a file's bytes are not the recorded ones.
        UnexpectedShape: the record cannot be read.
    """
    files = read_record(archive_dir).files
    for file in files:
        digest = hashlib.sha256(_bytes(archive_dir, file.name)).hexdigest()
        if digest != file.sha256:
            raise ArchiveChecksumMismatch(
                FEED,
                f"{archive_dir / file.name} has sha256 {digest}, recorded is {file.sha256}",
                f"{_RESTORE}; if you changed the file on purpose, run `cbi archive seal`",
            )
    return files


def seal(archive_dir: Path) -> tuple[str, ...]:
    """Record the files as they are now; return the names of those whose record changed.

    Checksums and row counts are taken anew, and a file that differs from the shipped one is
    marked as modified. Sources, first and last periods and the clock stay as shipped.

    Raises:
        ArchiveFileMissing: a recorded file, or the record itself, is gone.
        UnexpectedShape: a file's structure is unreadable; nothing is recorded then.
    """
    recorded = read_record(archive_dir).files
    current = {file.name: _as_is(archive_dir, file) for file in recorded}
    changed = tuple(file.name for file in recorded if current[file.name] != file)
    if changed:
        _write_record(archive_dir, current)
    return changed


def series_of(archive_dir: Path = PACKAGED) -> tuple[SeriesRecord, ...]:
    """The recorded series.

    Raises:
        ArchiveFileMissing, UnexpectedShape: as :func:`read_record`.
    """
    return read_record(archive_dir).series


def read_record(archive_dir: Path = PACKAGED) -> Record:
    """What ``PROVENANCE.toml`` says.

    Raises:
        ArchiveFileMissing: it is gone.
        UnexpectedShape: it is not TOML, or lacks a field.
    """
    text = _bytes(archive_dir, RECORD)
    try:
        return _record(tomllib.loads(text.decode()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnexpectedShape(
            FEED,
            f"{archive_dir / RECORD}: expected clock, files and series in TOML, found {error!r}",
            _RESTORE,
        ) from error


def _record(content: Mapping[str, Any]) -> Record:
    files = tuple(_file(entry) for entry in content["file"])
    rights = {file.name: file.rights for file in files}
    series = tuple(_series(entry, rights) for entry in content["series"])
    return Record(content["clock"].astimezone(UTC), files, series)


def _file(entry: Mapping[str, Any]) -> ArchivedFile:
    return ArchivedFile(**{name: entry[name] for name in ArchivedFile.__slots__})


def _series(entry: Mapping[str, Any], rights: Mapping[str, str]) -> SeriesRecord:
    files = tuple(entry["files"])
    plain = ("id", "family", "name", "unit", "frequency", "first", "last", "label")
    return SeriesRecord(
        **{name: entry[name] for name in plain}, rights=rights[files[0]], files=files
    )


def _as_is(archive_dir: Path, file: ArchivedFile) -> ArchivedFile:
    body = _bytes(archive_dir, file.name)
    sha256 = hashlib.sha256(body).hexdigest()
    return ArchivedFile(
        name=file.name,
        sha256=sha256,
        shipped_sha256=file.shipped_sha256,
        rows=count_rows(SCHEME + file.name, body),
        rights=file.rights,
        modified=sha256 != file.shipped_sha256,
    )


def _write_record(archive_dir: Path, current: Mapping[str, ArchivedFile]) -> None:
    path = archive_dir / RECORD
    document: Any = tomlkit.parse(path.read_text())
    for entry in document["file"]:
        file = current[entry["name"]]
        entry["sha256"], entry["rows"], entry["modified"] = file.sha256, file.rows, file.modified
    # Replaced in one step: an interrupted seal leaves the old record, never half a one.
    fresh = path.with_suffix(".toml.new")
    fresh.write_text(tomlkit.dumps(document))
    fresh.replace(path)


def _bytes(archive_dir: Path, name: str) -> bytes:
    path = archive_dir / name
    if not path.is_file():
        raise ArchiveFileMissing(FEED, f"{path} is missing", f"{_RESTORE}; nothing replaces it")
    return path.read_bytes()
