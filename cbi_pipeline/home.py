"""The private folder: made for its owner alone, and nobody else's folder ever taken for it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

#: What the product keeps in its home.
ENTRIES = frozenset(
    {
        *("ledger", "warehouse", "issued", "reports", "checkpoints", "dagster", "mlflow", "logs"),
        *("catalogue", "recipes", "plots", "tmp", "last_night.json", "standing.json"),
    }
)
# What file systems and desktops put into any folder.
_OF_NOBODY = frozenset({"lost+found", ".DS_Store", ".directory"})
_OPEN = 0o077


class HomeRefused(Exception):
    """The folder cannot be the home; the message says why and what to do."""


def make_private(home: Path) -> None:
    """Make the home, or close the one that is there, and what is ours in it, to everyone else.

    A folder that holds other things as well keeps its own mode where it is a home already, is used
    as it is where nobody else may enter it, and is refused otherwise.

    Raises:
        HomeRefused: it is open to others and not ours, or holds things that are not ours.
        OSError: it cannot be made or closed.
    """
    if not home.exists():
        make_folders(home)
        return
    names = {path.name for path in home.iterdir()} - _OF_NOBODY
    if _is_open(home):
        _require_ours(home, names)
        if names <= ENTRIES:
            _close(home)
    for name in sorted(names & ENTRIES):
        if _is_open(home / name):
            _close(home / name)


def make_folders(folder: Path) -> None:
    """Make a folder and what is missing above it, for the owner alone."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)


def _require_ours(home: Path, names: set[str]) -> None:
    elsewhere = "set CBI_HOME to a new folder of your own"
    status = home.stat()
    if status.st_uid != os.geteuid() and os.geteuid() != 0:
        raise HomeRefused(f"{home} belongs to another user, who could read all of it; {elsewhere}")
    if status.st_mode & stat.S_ISVTX:
        raise HomeRefused(f"{home} is shared by all users of this machine; {elsewhere}")
    others = sorted(names - ENTRIES)
    if others and not {"ledger", "warehouse"} <= names:
        raise HomeRefused(
            f"{home} is open to other users and holds {others[0]}, which is not of this product, "
            f"so it is not closed to them; {elsewhere}, or close it yourself with "
            f"`chmod 700 {home}`"
        )


def _is_open(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & _OPEN)


def _close(path: Path) -> None:
    path.chmod(path.stat().st_mode & ~_OPEN)
