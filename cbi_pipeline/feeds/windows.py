"""What to ask a service tonight: new periods, recent ones again for revisions, a slice of history.

Each window is asked in addresses that no server or proxy refuses for their length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from cbi_pipeline.feeds.source import Pull, Series

#: Most characters of an address, without the key. Servers and proxies refuse longer ones at 8,000,
#: some at 4,096; each answer's address is kept beside its bytes, so that long ones fill a ledger.
ADDRESS_LIMIT = 4000

#: Nights in which the whole history is read again once.
DEEP_NIGHTS = 30


@dataclass(frozen=True, slots=True)
class Window:
    """Periods of some series to ask for together."""

    kind: Literal["history", "new", "again", "alone"]
    series: tuple[Series, ...]
    first: date
    last: date | None = None


def windows(
    series: Sequence[Series], newest: Mapping[str, date], today: date, again: timedelta
) -> list[Window]:
    """Tonight's windows of one group of series that can be asked for together.

    Series never seen are asked for from their beginning. The others are asked for since the
    oldest of their last periods, less ``again`` for revisions; one that fell far behind gets a
    window of its own. One thirtieth of the history is read again each night, in slices whose
    bounds move once a year, so that an unchanged answer is the same bytes.
    """
    unseen = tuple(member for member in series if member.id not in newest)
    seen = [member for member in series if member.id in newest]
    planned = []
    if unseen:
        planned.append(Window("history", unseen, min(member.since for member in unseen)))
    for members in _near(seen, newest, again):
        first = min(max(newest[member.id] - again, member.since) for member in members)
        planned.append(Window("new", members, first))
    if seen:
        oldest = min(newest[member.id] for member in seen)
        planned.extend(_slice(tuple(seen), oldest - again, today))
    return planned


def split_to_address(window: Window, address: Callable[[Window], str]) -> list[Window]:
    """Windows that ask the same as one, each in an address that is not too long.

    Args:
        window: what to ask.
        address: the address that asks a window.

    Returns:
        The window itself where it fits. Series of one code stay together, and one code alone is
        asked for however long its address is.
    """
    codes = list(dict.fromkeys(member.code for member in window.series))
    if len(codes) == 1 or len(address(window)) <= ADDRESS_LIMIT:
        return [window]
    first = set(codes[: len(codes) // 2])
    halves = [
        tuple(member for member in window.series if (member.code in first) == is_first)
        for is_first in (True, False)
    ]
    return [
        part for half in halves for part in split_to_address(replace(window, series=half), address)
    ]


def number_parts(pulls: Sequence[Pull]) -> list[Pull]:
    """The pulls of one window, named apart where there are several."""
    if len(pulls) == 1:
        return list(pulls)
    return [
        replace(pull, name=f"{pull.name}, part {number} of {len(pulls)}")
        for number, pull in enumerate(pulls, 1)
    ]


def _near(
    seen: Sequence[Series], newest: Mapping[str, date], again: timedelta
) -> list[tuple[Series, ...]]:
    buckets: list[list[Series]] = []
    for member in sorted(seen, key=lambda member: newest[member.id], reverse=True):
        if buckets and newest[buckets[-1][0].id] - newest[member.id] <= again:
            buckets[-1].append(member)
        else:
            buckets.append([member])
    return [tuple(sorted(bucket, key=lambda member: member.code)) for bucket in buckets]


def _slice(series: tuple[Series, ...], recent: date, today: date) -> list[Window]:
    begin = min(member.since for member in series)
    end = date(today.year + 1, 1, 1)
    night = today.toordinal() % DEEP_NIGHTS
    days = (end - begin).days
    first = begin + timedelta(days=days * night // DEEP_NIGHTS)
    last = begin + timedelta(days=days * (night + 1) // DEEP_NIGHTS - 1)
    return [] if first >= recent else [Window("again", series, first, last)]
