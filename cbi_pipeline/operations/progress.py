"""How long work says how far it is, whoever is watching.

An asset opens ``track`` around work of known length and steps it. Nobody watches by default; the
command line installs a watcher that draws a bar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

#: Called with a title and the number of steps; yields what is called after each step with a note.
Watcher = Callable[[str, int], AbstractContextManager[Callable[[str], None]]]


def _unwatched(title: str, steps: int) -> AbstractContextManager[Callable[[str], None]]:
    return nullcontext(_ignore)


def _ignore(note: str) -> None:
    """Nobody watches this step."""


_watcher: ContextVar[Watcher] = ContextVar("watcher", default=_unwatched)


def track(title: str, steps: int) -> AbstractContextManager[Callable[[str], None]]:
    """Open a stretch of work of ``steps`` steps; call what it yields after each, with a note."""
    return _watcher.get()(title, steps)


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Send the progress of everything inside to ``watcher``."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)
