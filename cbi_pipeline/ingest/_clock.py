"""Whether the machine's clock can be believed: the services' own hour bears witness, or the ledger.

What is written is dated by the clock, and what is dated wrongly is known too early or not for
years. So an answer's ``Date`` is compared with the clock. Where no service was asked, or none gave
its hour, the ledger's newest entry is all there is to compare with.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from pydantic import AwareDatetime, TypeAdapter

from cbi_pipeline.feeds import ClockInDoubt
from cbi_pipeline.ledger import Ledger, Readings, append_line, examine_documents, read_documents

#: How far the clock and a service's hour may be apart.
APART = timedelta(minutes=10)
#: How long after the newest entry an unwitnessed night is believed.
SILENCE = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One line of ``clock.jsonl``: a person says that the clock is right.

    Attributes:
        at: the hour it showed.
        after: number of the newest transaction then, whose date counts no longer; 0 without one.
        reason: why, in the person's words.
    """

    at: AwareDatetime
    after: int
    reason: str


_ACCEPTANCE = TypeAdapter(Acceptance)


class Witness:
    """What the answers of one night say of the clock.

    Args:
        now: what the clock showed when the night began; it is taken to run at its pace since.
    """

    def __init__(self, now: datetime) -> None:
        self._now, self._began = now, time.monotonic()
        self._hours: list[tuple[datetime, datetime]] = []

    def hear(self, headers: Mapping[str, str]) -> None:
        """Take the hour of an answer that has just come, if it gives one."""
        given = _hour(headers)
        if given is not None:
            passed = timedelta(seconds=time.monotonic() - self._began)
            self._hours.append((given, self._now + passed))

    @property
    def has_spoken(self) -> bool:
        """Whether any answer gave its hour."""
        return bool(self._hours)

    def contradiction(self, feed: str) -> ClockInDoubt | None:
        """What is wrong with the clock; None when the hour of some answer agrees with it."""
        if not self._hours or any(abs(given - own) <= APART for given, own in self._hours):
            return None
        given, own = self._hours[-1]
        return ClockInDoubt(
            feed,
            f"the service's answers are of {_words(given)}, and this machine's clock shows "
            f"{_words(own)}",
            "Nothing was written, because values would be dated wrongly; set the clock, the next "
            "run asks again",
        )


def require_clock(ledger: Ledger, feed: str, now: datetime, *, nightly: bool = False) -> None:
    """Refuse a clock that nothing bears witness to and that contradicts the ledger.

    Args:
        ledger: its newest entry, or a person's word, is what is compared with.
        feed: feed whose rows are to be written.
        now: what the clock shows.
        nightly: whether entries come every night, so that a long silence is doubtful too.

    Raises:
        ClockInDoubt: the clock is behind the newest entry, or too far past it.
    """
    then = _newest(ledger)
    if then is None or then <= now <= then + (SILENCE if nightly else now - then):
        return
    where = "before" if now < then else f"more than {SILENCE.days} days after"
    raise ClockInDoubt(
        feed,
        f"this machine's clock shows {_words(now)}, {where} the ledger's newest entry of "
        f"{_words(then)}, and no service gave its hour",
        "Nothing was written; set the clock, or, if it is right, run "
        "`cbi ledger accept-clock --reason ...`",
    )


def accept_clock(ledger: Ledger, now: datetime, reason: str) -> Acceptance:
    """Note that a person found the clock right, so that what is written next is compared with it.

    Raises:
        ValueError: no reason is given.
        LedgerDamaged: the newest entry cannot be read.
    """
    if not reason.strip():
        raise ValueError("say why the clock is right with --reason")
    newest = ledger.newest_entry
    accepted = Acceptance(now, newest.txn_id if newest else 0, reason.strip())
    append_line(ledger.clock_file, _ACCEPTANCE.dump_json(accepted).decode())
    return accepted


def examine_acceptances(ledger: Ledger) -> Readings[Acceptance]:
    """Every acceptance whose line can be read, and every other line, in words."""
    return examine_documents(ledger.clock_file, _ACCEPTANCE)


def _newest(ledger: Ledger) -> datetime | None:
    entry = ledger.newest_entry
    if entry is None:
        return None
    accepted = read_documents(ledger.clock_file, _ACCEPTANCE)
    if accepted and accepted[-1].after >= entry.txn_id:
        return accepted[-1].at
    return entry.seen_at


def _hour(headers: Mapping[str, str]) -> datetime | None:
    try:
        hour = parsedate_to_datetime(headers["date"])
        # A copy that was kept on the way says how old it is.
        age = timedelta(seconds=int(headers.get("age", "0")))
        return (hour if hour.tzinfo else hour.replace(tzinfo=UTC)) + age
    except (KeyError, ValueError, OverflowError):
        return None


def _words(hour: datetime) -> str:
    return f"{hour.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
