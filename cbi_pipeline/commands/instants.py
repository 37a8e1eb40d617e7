"""Days and instants as users write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from cbi_pipeline.commands.console import Refusal

# Python would also take a year and a week without a day, for its Monday.
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4}-W[0-9]{2}-[1-7]|[0-9]{4}W[0-9]{2}[1-7]"
_INSTANT = rf"(?:{_DAY})[T ][0-9].*"


def read_instant(text: str) -> datetime:
    """The instant that a day or an instant in ISO 8601 stands for, UTC.

    A day, in whichever of its forms, is its 23:00 in New York, when a day's knowledge is complete.
    An instant without an offset is one in New York.

    Raises:
        Refusal: it is neither.
    """
    from cbi_pipeline.operations.pipeline import DAY_ENDS, ZONE

    try:
        if re.fullmatch(_DAY, text):
            given = datetime.combine(date.fromisoformat(text), DAY_ENDS, ZONE)
        elif re.fullmatch(_INSTANT, text):
            given = datetime.fromisoformat(text)
        else:
            raise ValueError(text)
        return (given if given.tzinfo else given.replace(tzinfo=ZONE)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal(
            f"{text!r} is neither a day nor an instant; write 2016-03-04 or 2016-03-04T10:30"
        ) from None
