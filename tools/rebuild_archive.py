"""Rebuild the embedded archive from the packages it came from, and prove that it is equal.

    python -m tools.rebuild_archive                  # compare, exit 1 and name what differs
    python -m tools.rebuild_archive --wheels DIR     # the same, from wheels already there
    python -m tools.rebuild_archive --write          # write the files and PROVENANCE.toml

The packages are read as zip files: nothing of them is imported, installed or unpickled.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import tomlkit

from cbi_pipeline.feeds.archive import PACKAGED, RECORD
from cbi_pipeline.feeds.archive_rows import (
    SCHEME,
    WEEKLY_FILE,
    WTI_FILE,
    count_rows,
    number,
    parse,
)
from cbi_pipeline.feeds.archive_series import MER, WEEKLY, WTI, ArchivedSeries
from tools import archive_words as words

PACKAGES = {"arch": "8.0.0", "autots": "1.0.4", "pyleiades": "0.0.0.dev10"}
ISSUES = (date(2017, 6, 28), date(2017, 7, 26), date(2019, 3, 26))
TABLES = ("consumption", "exports", "imports", "overview", "production")


@dataclass(frozen=True, slots=True)
class Source:
    """One member of a package, and its bytes."""

    package: str
    member: str
    body: bytes

    def facts(self) -> dict[str, str]:
        """What the record says of it."""
        return {
            "package": self.package,
            "version": PACKAGES[self.package],
            "member": self.member,
            "sha256": hashlib.sha256(self.body).hexdigest(),
        }


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """One file of the archive, made anew: compressed and plain bytes, and where they come from."""

    name: str
    body: bytes
    plain: bytes
    sources: tuple[Source, ...]
    series: tuple[ArchivedSeries, ...]
    words: Mapping[str, str]


def main() -> int:
    """Compare, or write with ``--write``; the exit status says whether all was equal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheels", type=Path, help="folder that already holds the wheels")
    parser.add_argument("--archive", type=Path, default=PACKAGED, help="archive folder")
    parser.add_argument("--write", action="store_true", help="write instead of comparing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        wheels = arguments.wheels or download(Path(temporary))
        files = list(rebuild(wheels))
    if arguments.write:
        write(files, arguments.archive)
        return 0
    differences = compare(files, arguments.archive)
    for line in differences:
        sys.stderr.write(line + "\n")
    if not differences:
        sys.stdout.write(f"{len(files)} files and {RECORD} equal what the packages give\n")
    return 1 if differences else 0


def rebuild(wheels: Path) -> Iterator[Rebuilt]:
    """The archive's files, made from the wheels in ``wheels``.

    Raises:
        ValueError: a wheel is missing, or tables that repeat a series disagree.
    """
    yield _wti(wheels)
    yield _weekly(wheels)
    for issue in ISSUES:
        yield _mer(wheels, issue)


def download(folder: Path) -> Path:
    """Fetch the pinned wheels into ``folder``.

    Raises:
        subprocess.CalledProcessError: pip could not get them.
    """
    pins = [f"{name}=={version}" for name, version in PACKAGES.items()]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", str(folder), *pins], check=True)
    return folder


def compare(files: list[Rebuilt], archive: Path) -> list[str]:
    """What differs between ``files`` and those in ``archive``, one line each."""
    shipped = {file.name: _read(archive / file.name) for file in files}
    differences = [
        f"{file.name}: {_difference(file, shipped[file.name])}"
        for file in files
        if _plain(shipped[file.name]) != file.plain
    ]
    if differences:
        return differences
    # zlib versions compress the same bytes differently, so the record is held against the bytes
    # that are shipped, whose content was just proven.
    expected = record(files, {name: body for name, body in shipped.items() if body is not None})
    found = _read(archive / RECORD)
    return [] if found == expected.encode() else [f"{RECORD}: differs from what the packages give"]


def write(files: list[Rebuilt], archive: Path) -> None:
    """Write the files and the record into ``archive``."""
    archive.mkdir(parents=True, exist_ok=True)
    for file in files:
        (archive / file.name).write_bytes(file.body)
    (archive / RECORD).write_text(record(files, {file.name: file.body for file in files}))


def record(files: list[Rebuilt], bodies: Mapping[str, bytes]) -> str:
    """The text of ``PROVENANCE.toml`` for ``files`` as stored in ``bodies``."""
    frames = {file.name: parse(SCHEME + file.name, file.body).frame for file in files}
    document = tomlkit.document()
    for line in words.HEADER:
        document.add(tomlkit.comment(line))
    document["clock"] = pl.concat(frames.values())["available_at"].max()
    document["file"] = _tables([_file_facts(file, bodies[file.name]) for file in files])
    document["series"] = _tables(list(_series_facts(files, frames)))
    return tomlkit.dumps(document)


def _wti(wheels: Path) -> Rebuilt:
    source = _member(wheels, "arch", "arch/data/wti/wti.csv.gz")
    plain = gzip.decompress(source.body)
    return Rebuilt(WTI_FILE, source.body, plain, (source,), (WTI,), words.WTI)


def _weekly(wheels: Path) -> Rebuilt:
    source = _member(wheels, "autots", "autots/datasets/data/eia_weekly.zip")
    with zipfile.ZipFile(io.BytesIO(source.body)) as inner:
        (only,) = inner.namelist()
        plain = inner.read(only)
    return Rebuilt(WEEKLY_FILE, _compress(plain), plain, (source,), WEEKLY, words.WEEKLY)


def _mer(wheels: Path, issue: date) -> Rebuilt:
    folder = f"pyleiades/data/archive/EIA_MER_{issue:%Y%m%d}"
    sources = tuple(
        _member(wheels, "pyleiades", f"{folder}/EIA_MER_{table}.csv") for table in TABLES
    )
    plain = _merged(sources)
    stated = {**words.MER, "description": words.MER["description"].format(date=issue)}
    return Rebuilt(f"eia-mer-{issue}.csv.gz", _compress(plain), plain, sources, MER, stated)


def _merged(sources: tuple[Source, ...]) -> bytes:
    """The tables as one, each series once.

    Raises:
        ValueError: a repeated series differs from its first occurrence.
    """
    taken: dict[str, list[list[str]]] = {}
    for table, source in zip(TABLES, sources, strict=True):
        for (msn, _), rows in _blocks(source.body).items():
            first = taken.setdefault(msn, [[*row, table] for row in rows])
            if _values(first) != _values(rows):
                raise ValueError(f"{source.member}: {msn} differs from an earlier table")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["MSN", "YYYYMM", "Value", "Column_Order", "Description", "Unit", "Table"])
    writer.writerows(row for rows in taken.values() for row in rows)
    return text.getvalue().encode()


def _blocks(body: bytes) -> dict[tuple[str, str], list[list[str]]]:
    """Rows of a table by (series, column), in order of appearance."""
    blocks: dict[tuple[str, str], list[list[str]]] = {}
    for row in list(csv.reader(io.StringIO(body.decode())))[1:]:
        blocks.setdefault((row[0], row[3]), []).append(row)
    return blocks


def _values(rows: list[list[str]]) -> list[tuple[str, float | str]]:
    # As numbers: one issue writes 1.0E-6 in one table and 1.00E-06 in another.
    parsed = ((row[1], number(row[2]), row[2]) for row in rows)
    return [(period, text if value is None else value) for period, value, text in parsed]


def _file_facts(file: Rebuilt, body: bytes) -> dict[str, Any]:
    sha256 = hashlib.sha256(body).hexdigest()
    return {
        "name": file.name,
        "agency": words.AGENCY,
        **file.words,
        "zone": words.ZONE,
        "rights": words.RIGHTS,
        "rows": count_rows(SCHEME + file.name, body),
        "sha256": sha256,
        "shipped_sha256": sha256,
        "modified": False,
        "source": _tables([source.facts() for source in file.sources]),
    }


def _series_facts(
    files: list[Rebuilt], frames: Mapping[str, pl.DataFrame]
) -> Iterator[dict[str, Any]]:
    spans = (
        pl.concat(frames.values())
        .group_by("series_id")
        .agg(pl.col("period").min().alias("first"), pl.col("period").max().alias("last"))
    )
    span = {series_id: (first, last) for series_id, first, last in spans.iter_rows()}
    for series in dict.fromkeys(series for file in files for series in file.series):
        yield {
            "id": series.id,
            "family": series.family,
            "name": series.name,
            "unit": series.unit,
            "frequency": series.frequency,
            "first": span[series.id][0],
            "last": span[series.id][1],
            "label": series.label,
            "release_rule": words.RULES[series.family].name,
            "files": [file.name for file in files if series in file.series],
        }


def _tables(entries: list[dict[str, Any]]) -> Any:  # noqa: ANN401  (tomlkit types items loosely)
    array = tomlkit.aot()
    for entry in entries:
        table = tomlkit.table()
        table.update(entry)
        array.append(table)
    return array


def _member(wheels: Path, package: str, member: str) -> Source:
    found = sorted(wheels.glob(f"{package}-{PACKAGES[package]}-*.whl"))
    if not found:
        raise ValueError(f"no wheel of {package} {PACKAGES[package]} in {wheels}")
    with zipfile.ZipFile(found[0]) as wheel:
        return Source(package, member, wheel.read(member))


def _compress(plain: bytes) -> bytes:
    return gzip.compress(plain, compresslevel=9, mtime=0)


def _difference(file: Rebuilt, body: bytes | None) -> str:
    if body is None:
        return "missing"
    plain = _plain(body)
    if plain is None:
        return "not a whole gzip file"
    pairs = enumerate(zip(plain.split(b"\n"), file.plain.split(b"\n")), start=1)  # noqa: B905
    line = next((number for number, (found, expected) in pairs if found != expected), None)
    return f"differs from line {line}" if line else "ends earlier or later than its source"


def _plain(body: bytes | None) -> bytes | None:
    try:
        return None if body is None else gzip.decompress(body)
    except (OSError, EOFError):
        return None


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
