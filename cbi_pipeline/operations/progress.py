"""How long work says how far it is, whoever is watching.

An asset opens ``track`` around work of known length and steps it, and may ``announce`` what is to
come. Nobody watches by default; the command line installs a watcher that draws a bar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

#: Called with a title and the number of steps; yields what is called after each step with a note.
Watcher = Callable[[str, int], AbstractContextManager[Callable[[str], None]]]


def _watch_nothing(title: str, steps: int) -> AbstractContextManager[Callable[[str], None]]:
    return nullcontext(_ignore)


def _ignore(note: str) -> None:
    """Nobody watches this step."""


_watcher: ContextVar[Watcher] = ContextVar("watcher", default=_watch_nothing)
_announcer: ContextVar[Callable[[str], None]] = ContextVar("announcer", default=_ignore)


def track(title: str, steps: int) -> AbstractContextManager[Callable[[str], None]]:
    """Open a stretch of work of ``steps`` steps; call what it yields after each, with a note."""
    return _watcher.get()(title, steps)


def announce(words: str) -> None:
    """Say what the work inside will take, before most of it is done."""
    _announcer.get()(words)


def describe_duration(seconds: float) -> str:
    """A duration in words, to two figures or so: 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"


@contextmanager
def watched_by(watcher: Watcher, announcer: Callable[[str], None] = _ignore) -> Iterator[None]:
    """Send the progress of everything inside to ``watcher``, and what is announced to the other."""
    token, announcing = _watcher.set(watcher), _announcer.set(announcer)
    try:
        yield
    finally:
        _watcher.reset(token)
        _announcer.reset(announcing)
