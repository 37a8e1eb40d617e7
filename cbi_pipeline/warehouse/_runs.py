"""Which run the asking code belongs to: what a run writes is published when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Run:
    """A run over the warehouse of a folder.

    Attributes:
        root: the warehouse's folder.
        is_behind: whether something is committed that was not published yet.
    """

    root: Path
    is_behind: bool = False


# Belongs to the thread of execution, not to the process: a page's code server answers sensors and
# checks of others beside it.
_CURRENT: ContextVar[Run | None] = ContextVar("run over a warehouse", default=None)


def current_run(root: Path) -> Run | None:
    """The run that the asking code belongs to; None outside of one over this warehouse."""
    run = _CURRENT.get()
    return run if run is not None and run.root == root.resolve() else None


@contextmanager
def begin_run(root: Path) -> Iterator[Run]:
    """Let what is done inside be one run over the warehouse of a folder."""
    before, run = _CURRENT.get(), Run(root.resolve())
    _CURRENT.set(run)
    try:
        yield run
    finally:
        _CURRENT.set(before)
