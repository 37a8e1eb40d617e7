"""What a catalogue would say of a commodity that is priced by a person's own file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import median
from unicodedata import combining, normalize

import polars as pl

from cbi_pipeline.catalogue import Commodity, suggest_names
from cbi_pipeline.market import (
    YEARS_JUDGED,
    calendar,
    coverage_rule,
    describe_calendars,
    has_calendar,
    list_calendars,
    sessions,
)
from cbi_pipeline.market.calendars import name_days, name_weekly
from cbi_pipeline.operations.read_own_file import OwnFile, Unclear
from data_contracts.own_history import OWN_HISTORY

#: Labels of horizons where no other commodity gives any.
USUAL_LABELS = ("1w", "1m", "1q")
#: Calendars of markets that a daily file is compared with, and how well one must agree.
_MARKETS, _AGREES = ("eia_spot_daily", "london_spot_daily"), 0.97
#: Days between prices, by rhythm.
_GAPS = {"daily": (0, 4), "weekly": (5, 9), "monthly": (27, 32)}
_YEARS_A_LABEL = {"w": 1 / 52, "m": 1 / 12, "q": 1 / 4, "y": 1.0}
_STALE_AFTER = {"daily": 21, "weekly": 35, "monthly": 95}
#: A level that stays changed by such a factor is hardly the same unit.
_JUMP, _AROUND = 8.0, 5
_RARE = 0.02


@dataclass(frozen=True, slots=True)
class Proposal:
    """A commodity as it would be followed.

    Attributes:
        file: how its file is read.
        commodity: its entry.
        words: what was made of the file.
    """

    file: OwnFile
    commodity: Commodity
    words: tuple[str, ...]


def name_commodity(name: str) -> str:
    """The id of a name: its words in lower case, with underscores between.

    Raises:
        Unclear: no id can be made of it.
    """
    plain = "".join(mark for mark in normalize("NFKD", name) if not combining(mark))
    made = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", made):
        raise Unclear(f"--name {name!r}: an id is made of it, so let it begin with a letter a to z")
    return made


def name_series(commodity: str) -> str:
    """The id of the series that prices an own commodity."""
    return f"OWN.{commodity.upper()}"


def propose_commodity(
    file: OwnFile,
    *,
    name: str,
    unit: str,
    chosen_calendar: str | None,
    labels: Sequence[str],
    today: date,
) -> Proposal:
    """Say what a catalogue would say of a commodity.

    Args:
        file: its prices.
        name: what people call it.
        unit: unit of its prices.
        chosen_calendar: a calendar's name, ``weekly``, ``monthly`` or ``own``, the weekdays of the
            file; None where the file's days decide.
        labels: labels of horizons that it must have; none where it is alone.
        today: a record that ends long before is closed.

    Raises:
        Unclear: unit, rhythm, calendar or prices cannot be used; says what to type.
    """
    _require_unit(unit)
    rhythm = _find_rhythm(file, chosen_calendar)
    if rhythm == "monthly":
        file = file.read_monthly()
    days = sorted({day for day, _ in file.prices})
    chosen, why = _choose_calendar(days, rhythm, chosen_calendar)
    a_year = _count_a_year(chosen)
    commodity = Commodity(
        id=name_commodity(name),
        name=name,
        unit=unit,
        price_series=name_series(name_commodity(name)),
        calendar=chosen,
        sessions_per_year=a_year,
        horizons=_choose_horizons(labels, a_year),
        liquid=rhythm == "daily",
        stale_after_days=_STALE_AFTER[rhythm],
    )
    commodity = close_record(commodity, days[-1], today)
    _require_coverage(days, commodity)
    words = [*file.words, f"{rhythm} prices, calendar {chosen}: {why}", *_describe(commodity)]
    returns, needed = len(days) - 1, calendar(chosen).ready_after
    if returns < needed:
        words.append(
            f"its history is too short to forecast from yet: {returns} of {needed} returns"
        )
    return Proposal(file, commodity, tuple(words))


def close_record(commodity: Commodity, newest: date, today: date) -> Commodity:
    """A commodity as a closed record where its newest price is too old by now, and open elsewhere.

    A closed record is forecast from its end, which every page says.
    """
    is_old = (today - newest).days > commodity.stale_after_days
    return commodity.model_copy(update={"record_ends": newest if is_old else None})


def write_entry(commodity: Commodity, head: str = "", groups: Sequence[str] = ()) -> str:
    """The file of the catalogue that follows a commodity.

    Args:
        commodity: the commodity.
        head: what stands before it.
        groups: feature groups that it brings along.
    """
    horizons = ", ".join(f"{json.dumps(k)} = {v}" for k, v in commodity.horizons.items())
    fields = {
        **{key: json.dumps(getattr(commodity, key)) for key in ("id", "name", "unit")},
        "price_series": json.dumps(commodity.price_series),
        "calendar": json.dumps(commodity.calendar),
        "sessions_per_year": str(commodity.sessions_per_year),
        "horizons": f"{{ {horizons} }}",
        "liquid": json.dumps(commodity.liquid),
        "stale_after_days": str(commodity.stale_after_days),
    }
    if commodity.record_ends is not None:
        fields["record_ends"] = commodity.record_ends.isoformat()
    entry = "\n".join(f"{key} = {value}" for key, value in fields.items())
    further = "".join(f"\n[group.{group}]\n" for group in groups)
    return f"# Written by `cbi commodity add`.\n{head}\n[[commodity]]\n{entry}\n{further}"


def find_jump(prices: Sequence[tuple[date, float]]) -> str | None:
    """Where the level of prices changes as only a unit's change does, in words; None where nowhere.

    Args:
        prices: day and price; those at or below zero are left out.
    """
    rows = sorted((day, price) for day, price in prices if price > 0)
    for n in range(_AROUND, len(rows) - _AROUND + 1):
        (_, before), (day, after) = rows[n - 1], rows[n]
        if not (1 / _JUMP < after / before < _JUMP):
            earlier = median(price for _, price in rows[n - _AROUND : n])
            later = median(price for _, price in rows[n : n + _AROUND])
            if not (1 / _JUMP < later / earlier < _JUMP):
                return (
                    f"from {day} on the level is {later / earlier:.3g} times that before "
                    f"({before:g}, then {after:g}), as if the unit changed"
                )
    return None


def _require_unit(unit: str) -> None:
    units = OWN_HISTORY.bounds
    if unit in units:
        return
    same = [other for other in units if other.lower() == unit.lower()]
    nearest = f"; nearest: {same[0]}" if same else suggest_names(unit, units)
    raise Unclear(f"--unit {unit}: no such unit{nearest}; there are: {', '.join(units)}")


def _find_rhythm(file: OwnFile, chosen: str | None) -> str:
    if chosen is not None and chosen.split("_")[0] in ("weekly", "monthly"):
        return chosen.split("_")[0]
    days = sorted({day for day, _ in file.prices})
    if len(days) < 3:
        raise Unclear(f"{len(days)} prices are no history")
    gap = median((after - day).days for day, after in pairwise(days))
    for rhythm, (least, most) in _GAPS.items():
        if least <= gap <= most:
            return rhythm
    raise Unclear(
        f"a price every {gap:g} days is neither daily nor weekly nor monthly; if days are absent, "
        "say --calendar"
    )


def _choose_calendar(days: Sequence[date], rhythm: str, chosen: str | None) -> tuple[str, str]:
    """A calendar, and why it is that one."""
    if rhythm == "monthly":
        return "monthly", "each price is its month's"
    week = Counter(day.weekday() for day in days)
    often = [weekday for weekday, count in week.items() if count >= _RARE * len(days)]
    if chosen == "own":
        return name_days(often), "the weekdays of the file"
    if chosen is not None and chosen != "weekly":
        if not has_calendar(chosen):
            near = suggest_names(chosen, list_calendars())
            raise Unclear(
                f"--calendar {chosen}: no such calendar{near}; there are: weekly, monthly, own "
                f"(the file's weekdays), {describe_calendars()}"
            )
        return chosen, f"as stated, {_write_share(chosen, days)}"
    if rhythm == "weekly":
        name = name_weekly(week.most_common(1)[0][0])
        return name, _write_share(name, days)
    own = name_days(often)
    newest = [day for day in days if day > days[-1] - timedelta(days=3653)]
    best = max((*_MARKETS, own), key=lambda name: _measure_agreement(name, newest))
    return best, f"of the weekdays and the markets tried, {_write_share(best, days)}"


def _write_share(name: str, days: Sequence[date]) -> str:
    return f"its sessions and the file's days agree on {_measure_agreement(name, days):.1%}"


def _measure_agreement(name: str, days: Sequence[date]) -> float:
    """Days that both a calendar and a file have, as a share of those that either has."""
    due = set(sessions(name, days[0], days[-1]))
    return len(due & set(days)) / len(due | set(days))


def _count_a_year(name: str) -> int:
    return round(len(sessions(name, date(2015, 1, 1), date(2024, 12, 31))) / 10)


def _choose_horizons(labels: Sequence[str], a_year: int) -> dict[str, int]:
    steps = {label: _count_sessions(label, a_year) for label in labels or USUAL_LABELS}
    if labels and (absent := [label for label, number in steps.items() if not number]):
        raise Unclear(
            f"the catalogue's commodities are forecast {', '.join(labels)} ahead, and with "
            f"{a_year} prices a year there is no {', '.join(absent)}; give it a home of its own: "
            "set CBI_HOME to a new folder and say --alone"
        )
    return {label: number for label, number in steps.items() if number}


def _count_sessions(label: str, a_year: int) -> int:
    """Sessions of a label such as 1w, 2m or 1q; 0 where it is none or shorter than a session."""
    match = re.fullmatch(r"(\d+)([wmqy])", label)
    if match is None:
        return 0
    exact = int(match[1]) * _YEARS_A_LABEL[match[2]] * a_year
    return round(exact) if exact >= 0.9 else 0


def _require_coverage(days: Sequence[date], commodity: Commodity) -> None:
    prices = pl.DataFrame({"commodity": [commodity.id] * len(days), "session": list(days)})
    outcome = coverage_rule(prices, commodity, YEARS_JUDGED)
    if not outcome.passed:
        raise Unclear(
            f"{outcome.detail}; say --calendar own for the weekdays of the file, or the market's "
            "own calendar"
        )


def _describe(commodity: Commodity) -> list[str]:
    ahead = ", ".join(f"{label} = {number}" for label, number in commodity.horizons.items())
    words = [f"horizons in sessions: {ahead}"]
    if commodity.record_ends is not None:
        words.append(
            f"its newest price is of {commodity.record_ends}, so it is followed as a closed record "
            "(record_ends) and forecast from its end; a later file with newer prices opens it"
        )
    if not commodity.liquid:
        words.append(
            "liquid = false: prices that are not set by trading every day, such as a month's mean, "
            "follow one another, so a gain over no change is no sign of a leak; say liquid = true "
            "in its file if they are"
        )
    return words
