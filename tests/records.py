"""Archives whose files hold a part of the shipped files' lines: real rows, only fewer."""

import gzip
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import tomlkit

from cbi_pipeline.feeds import archive

#: How the three layouts write a year: 1/3/1986, | ,2000-06-02, | ,198609,
_YEAR = re.compile(r"/(\d{4}),|,(\d{4})-\d\d-\d\d,|,(\d{4})\d\d,")


def part(folder: Path, kept: Callable[[str, int], bool]) -> Path:
    """The lines whose file name and year ``kept`` wants, recorded as if shipped so."""
    shutil.copytree(archive.PACKAGED, folder)
    for path in folder.glob("*.csv.gz"):
        rewrite(
            path,
            lambda lines, name=path.name: [
                lines[0],
                *(line for line in lines[1:] if kept(name, _year(line))),
            ],
        )
    archive.seal(folder)
    record = folder / archive.RECORD
    document = tomlkit.parse(record.read_text())
    for file in document["file"]:
        file["shipped_sha256"], file["modified"] = file["sha256"], False
    record.write_text(tomlkit.dumps(document))
    return folder


def recent(folder: Path) -> Path:
    """Everything from 2010 on: what the stages after the ingestion need, a fifth of the rows."""
    return part(folder, lambda _, year: year >= 2010)


def rewrite(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Put what ``change`` makes of the file's lines, the header among them, in their place."""
    lines = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
    write(path, "".join(change(lines)))


def write(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def _year(line: str) -> int:
    found = _YEAR.search(line)
    assert found is not None, f"no year in {line!r}"
    return int(next(filter(None, found.groups())))
