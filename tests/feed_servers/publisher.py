"""What a publisher has public at an instant: values, restatements, withdrawals, in order."""

from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass
class Publisher:
    """``events`` are (instant, series, period, text); a text of ``WITHDRAWN`` removes a period."""

    WITHDRAWN = "\0"
    events: list[tuple[datetime, str, date, str | None]] = field(default_factory=list)
    now: datetime | None = None

    def publish(self, at, series, period, text):
        self.events.append((at, series, period, text))

    def public(self) -> dict[tuple[str, date], str | None]:
        """Text of each (series, period) that is public now."""
        found: dict[tuple[str, date], str | None] = {}
        for at, series, period, text in sorted(self.events, key=lambda event: event[0]):
            if self.now is not None and at > self.now:
                break
            if text == self.WITHDRAWN:
                found.pop((series, period), None)
            else:
                found[series, period] = text
        return found
