"""How numbers, dates and probabilities are written, once for every page and chart."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from cbi_pipeline.market import DECISION_ZONE

DESK = ZoneInfo(DECISION_ZONE)
NARROW = "\u202f"  # narrow no-break space: keeps a number and its % sign on one line
HARD = "\u00a0"  # no-break space: keeps a number and its unit on one line
MINUS = "\u2212"

_DECIMALS = {"USD/bbl": 2, "USD/gal": 3, "USD/MMBtu": 3}
_SIGNIFICANT = 4


def price(value: float, unit: str) -> str:
    """A price to the decimals its market quotes; four significant digits for other units."""
    return _number(value, _decimals(value, unit))


def money(value: float, unit: str) -> str:
    """A price with its unit."""
    return f"{price(value, unit)}{HARD}{unit}"


def span(low: float, high: float, unit: str) -> str:
    """A range of prices, without its unit."""
    decimals = min(_decimals(low, unit), _decimals(high, unit))
    return f"{_number(low, decimals)} to {_number(high, decimals)}"


def change(value: float, unit: str, reference: float) -> str:
    """A signed difference of prices, to the decimals of the ``reference`` price."""
    return _signed_number(value, _decimals(reference, unit))


def percent(share: float, decimals: int = 0) -> str:
    """A share as a percentage: 0.8 is 80 %."""
    return f"{_number(100 * share, decimals)}{NARROW}%"


def signed_percent(share: float, decimals: int = 1) -> str:
    """A share as a percentage that always shows its sign, zero excepted."""
    return f"{_signed_number(100 * share, decimals)}{NARROW}%"


def share_interval(value: float, low: float | None, high: float | None) -> str:
    """A share and its interval, in per cent without the sign for it; in words where it has none."""
    if low is None or high is None:
        between = "too few"
    else:
        between = f"{signed_percent(low)}, {signed_percent(high)}"
    return f"{signed_percent(value)} [{between}]".replace(f"{NARROW}%", "")


def percent_span(low: float, high: float, decimals: int = 1) -> str:
    """A range of signed percentages."""
    return f"{_signed_number(100 * low, decimals)} to {signed_percent(high, decimals)}"


def figure(value: float) -> str:
    """A score without unit, to four significant digits."""
    return _number(value, _significant_decimals(value))


def count(number: int) -> str:
    """A whole number with thousands set off."""
    return f"{number:,}"


def day(value: date) -> str:
    """A date: 3 Jan 2019, kept on one line."""
    return f"{value.day}{HARD}{value:%b}{HARD}{value:%Y}"


def instant(value: datetime) -> str:
    """An instant on the desk's clock and in UTC."""
    desk = value.astimezone(DESK)
    return f"{day(desk.date())}, {desk:%H:%M} New York ({value:%H:%M} UTC)"


def desk_day(value: datetime) -> date:
    """The desk's calendar day of an instant."""
    return value.astimezone(DESK).date()


def desk_midnight(value: datetime) -> datetime:
    """The beginning of the desk's calendar day of an instant, UTC."""
    return datetime.combine(desk_day(value), time(), DESK).astimezone(UTC)


def short_hash(digest: str) -> str:
    """The beginning of a hash, enough to compare by eye."""
    return digest[:12]


def horizon(label: str) -> str:
    """A horizon label in words: 1w is one week."""
    words = {"w": "week", "m": "month", "q": "quarter", "y": "year", "d": "day"}
    number, unit = label[:-1], label[-1:]
    if not number.isdigit() or unit not in words:
        return label
    return f"{'one' if number == '1' else number} {words[unit]}{'' if number == '1' else 's'}"


def horizon_heading(label: str) -> str:
    """A horizon label as a heading: One week ahead."""
    return f"{horizon(label).capitalize()} ahead"


def chance(up: float) -> str:
    """The probability of a rise in words."""
    edge = abs(up - 0.5)
    side = "rise" if up > 0.5 else "fall"
    if edge < 0.025:
        return "as likely up as down"
    if edge < 0.10:
        return f"a {side} slightly more likely"
    if edge < 0.25:
        return f"a {side} more likely"
    return f"a {side} much more likely"


def _decimals(value: float, unit: str) -> int:
    return _DECIMALS.get(unit, _significant_decimals(value))


def _significant_decimals(value: float) -> int:
    if value == 0 or not math.isfinite(value):
        return 2
    return max(0, _SIGNIFICANT - 1 - math.floor(math.log10(abs(value))))


def _number(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    if text.startswith("-"):
        zero = float(text.replace(",", "")) == 0
        return text[1:] if zero else MINUS + text[1:]
    return text


def _signed_number(value: float, decimals: int) -> str:
    text = _number(value, decimals)
    zero = float(text.replace(",", "").replace(MINUS, "-")) == 0
    return text if text.startswith(MINUS) or zero else f"+{text}"
