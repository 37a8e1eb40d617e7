"""Publishing: a durable copy of the database under a name of its own, then one atomic rename.

The copy costs what has changed since: it is made out of a snapshot that nobody reads any more.

Readers follow ``current``. It changes only after the copy it will name is complete and on disk,
so a crash at any point leaves readers with the snapshot before or the one after.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Collection
from pathlib import Path

from cbi_pipeline.durable import sync
from cbi_pipeline.warehouse._commits import snapshot_sequence
from cbi_pipeline.warehouse._recycling import take_unread, update_copy

KEPT_SNAPSHOTS = 3
_UNFINISHED = ".unfinished"
_SNAPSHOT = re.compile(r"\d+-[0-9a-f]*\.duckdb")


def current_snapshot(folder: Path) -> Path | None:
    """The snapshot readers are sent to, or None."""
    pointer = folder / "current"
    return pointer.resolve(strict=True) if pointer.exists() else None


def put_snapshot(database: Path, folder: Path, name: str, keep: Collection[str] = ()) -> Path:
    """Copy ``database``, closed and checkpointed, to ``folder/name`` and point ``current`` at it.

    A snapshot that would have gone and that nobody reads becomes the copy.

    Args:
        database: the file.
        folder: where snapshots lie.
        name: the new one's.
        keep: snapshots that stay.

    Raises:
        OSError: no room for the copy, or the file system failed; ``current`` is unchanged.
    """
    target = folder / name
    copy = folder / (name + _UNFINISHED)
    try:
        if take_unread(_list_spare(folder, keep, KEPT_SNAPSHOTS - 1), copy):
            update_copy(database, copy)
        else:
            shutil.copyfile(database, copy)
        sync(copy)
        copy.replace(target)
    finally:
        copy.unlink(missing_ok=True)
    sync(folder)
    _point(folder, name)
    return target


def prune(folder: Path, keep: Collection[str]) -> None:
    """Remove all but the newest snapshots, those named in ``keep`` and in the file ``keep``."""
    for snapshot in _list_spare(folder, keep, KEPT_SNAPSHOTS):
        snapshot.unlink()
    for leftover in folder.glob("*" + _UNFINISHED):
        leftover.unlink()


def _list_spare(folder: Path, keep: Collection[str], newest: int) -> list[Path]:
    """Snapshots that may go when so many of the newest stay, the newest of them first."""
    snapshots = [path for path in list_snapshots(folder) if path.is_file()]
    needed = {*keep, *_read_kept(folder)}
    current = current_snapshot(folder)
    spare = [path for path in snapshots[:-newest] if path.name not in needed and path != current]
    return spare[::-1]


def newest_sequence(folder: Path) -> int:
    """Highest running number ever published and still there; 0 when nothing is."""
    return max(map(snapshot_sequence, list_snapshots(folder)), default=0)


def list_snapshots(folder: Path) -> list[Path]:
    """Everything under the name of a snapshot, the oldest first."""
    named = (path for path in folder.glob("*.duckdb") if _SNAPSHOT.fullmatch(path.name))
    return sorted(named, key=snapshot_sequence)


def clear_the_way(path: Path) -> None:
    """Rename a folder that stands where a file must be written; what is in it stays."""
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f"{path.name}.set-aside-{time.time_ns()}"))


def _point(folder: Path, name: str) -> None:
    pointer = folder / ("current" + _UNFINISHED)
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(name)
    clear_the_way(folder / "current")
    pointer.replace(folder / "current")
    sync(folder)


def _read_kept(folder: Path) -> list[str]:
    listing = folder / "keep"
    return listing.read_text().split() if listing.exists() else []
