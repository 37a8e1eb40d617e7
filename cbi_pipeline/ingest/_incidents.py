"""What goes wrong with a source, and an append-only log of what broke, when, and when it healed.

A feed has one open fault at most, however many pulls it touches, so that a night gone wrong is
one alert and its recovery one more. A run that changes nothing writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, TypeAdapter

from cbi_pipeline.feeds import FeedError, UnexpectedShape
from cbi_pipeline.ingest._transport import redact
from cbi_pipeline.ledger import Readings, append_line, examine_documents, read_documents


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that went wrong in one run.

    Attributes:
        feed: feed it happened to.
        scope: pull it concerns, or ``*`` for the whole feed.
        error: kind of error.
        problem: what happened.
        remedy: what to do.
        response_ids: answers that were landed and not used because of it.
    """

    feed: str
    scope: str
    error: str
    problem: str
    remedy: str
    response_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: FeedError, scope: str, response_ids: Sequence[str] = ()) -> Fault:
        """The fault an error makes."""
        kind = type(error).__name__
        return cls(error.feed, scope, kind, error.problem, error.remedy, tuple(response_ids))

    def __str__(self) -> str:
        """What happened and what to do, in words."""
        where = "" if self.scope == "*" else f" [{self.scope}]"
        return f"{self.feed}{where}: {self.problem}. {self.remedy}."


@dataclass(frozen=True, slots=True)
class FaultEvent:
    """One line of the log.

    Attributes:
        at: when.
        feed: which feed.
        kind: ``opened`` and ``closed`` each deserve one alert; ``changed`` is for the record.
        faults: what is wrong now; empty when closed.
    """

    at: AwareDatetime
    feed: str
    kind: Literal["opened", "changed", "closed"]
    faults: tuple[Fault, ...]


_EVENT = TypeAdapter(FaultEvent)
#: Characters of an error that are kept.
_LONGEST = 300


class FaultLog:
    """The log, ``faults.jsonl`` in the ledger's folder.

    Attributes:
        path: the file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "faults.jsonl"

    def settle(self, feed: str, faults: Sequence[Fault], at: datetime) -> FaultEvent | None:
        """Note the outcome of a run; None when it is what was known already."""
        event = self._news(feed, faults, at)
        if event is None:
            return None

        def still() -> str | None:
            # Two runs that looked before either wrote would both tell of one fault.
            nonlocal event
            event = self._news(feed, faults, at)
            return json.dumps(asdict(event) | {"at": at.isoformat()}) if event else None

        append_line(self.path, still)
        return event

    def _news(self, feed: str, faults: Sequence[Fault], at: datetime) -> FaultEvent | None:
        before, now = self.open(feed), tuple(faults)
        if _identify(before) == _identify(now):
            return None
        kind: Literal["opened", "changed", "closed"] = (
            "changed" if before and now else "opened" if now else "closed"
        )
        return FaultEvent(at, feed, kind, now)

    def open(self, feed: str) -> tuple[Fault, ...]:
        """What is wrong with a feed as of its last run."""
        events = [event for event in self.events() if event.feed == feed]
        return events[-1].faults if events else ()

    def since(self, feed: str) -> datetime | None:
        """When the open fault of a feed began; None when there is none."""
        opened = None
        for event in self.events():
            if event.feed == feed and event.kind != "changed":
                opened = event.at if event.kind == "opened" else None
        return opened

    def events(self) -> list[FaultEvent]:
        """Every line, oldest first.

        Raises:
            LedgerDamaged: a line cannot be read; names file and line.
        """
        return read_documents(self.path, _EVENT)

    def examine(self) -> Readings[FaultEvent]:
        """Every event whose line can be read, and every other line, in words."""
        return examine_documents(self.path, _EVENT)


def _identify(faults: Sequence[Fault]) -> list[tuple[str, str, tuple[str, ...]]]:
    # The same failure in other words is no news; other answers that must not be used are.
    return sorted({(fault.scope, fault.error, fault.response_ids) for fault in faults})


@contextmanager
def turn_into_faults(feed: str, secrets: tuple[str, ...] = ()) -> Iterator[None]:
    """Turn any exception of a block that reads an answer into a fault with the feed's name.

    A service, or somebody on the way to it, may send what nobody thought of. The other pulls and
    feeds of a night must not end with it.

    Args:
        feed: name of the feed.
        secrets: spellings to mask, where the answer may still hold the key.

    Raises:
        FeedError: the block raised it.
        UnexpectedShape: the block raised anything else.
    """
    try:
        yield
    except FeedError:
        raise
    except Exception as error:
        words = redact(_words(error), secrets)[:_LONGEST]
        raise UnexpectedShape(
            feed,
            f"the answer cannot be read ({words})",
            "Nothing of it was used. `cbi feeds parse` reads a recorded answer by itself",
        ) from None


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".encode(errors="replace").decode()
