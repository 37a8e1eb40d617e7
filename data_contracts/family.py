"""Series families: the rules that hold for every value of a group of series.

A family says what the columns of a table cannot: the units and bounds of its values, the days
its periods fall on, when they are released, how stale they may be, how they are revised, and
what may be done with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

import polars as pl

from data_contracts.release import ReleaseRule
from data_contracts.shape import Shape
from data_contracts.split import RowRule
from data_contracts.versioned import OBSERVATIONS, VersionedTable

Rights = Literal["public-domain", "attribution", "no-redistribution", "no-training"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One family of series.

    Attributes:
        name: name used in the catalogue and in ``ref.series``.
        title: what it is, in words.
        agency: publisher.
        frequency: how often a period occurs.
        weekdays: weekdays a period may fall on, Monday = 1; empty for monthly series, whose
            periods are the first of the month.
        bounds: unit to the closed interval its values must lie in; other units are refused.
        release: when a period becomes public; None when every row carries its issue's own date.
        staleness: age beyond which the newest value is no longer used.
        revisions: how the publisher changes values, in words.
        restated_share: most of the values held that one answer may change, as a share; an answer
            that changes more is believed at second sight. None where nothing is claimed. What was
            believed stays so, whatever this says later.
        stamped: whether the hour at which the publisher last changed its file, as the answer gives
            it, is when its newest periods became public. It dates rows to come, none that is held.
        rights: rights label.
        shape: what each of its series keeps as a whole.
        extra: further row rules, which may read the other rows of the same answer.
        version: changes with any of the above but ``restated_share`` and ``stamped``, by which no
            stored row is judged.
    """

    name: str
    title: str
    agency: str
    frequency: Literal["daily", "weekly", "monthly"]
    weekdays: tuple[int, ...]
    bounds: Mapping[str, tuple[float, float]]
    release: ReleaseRule | None
    staleness: timedelta
    revisions: str
    rights: Rights
    shape: Shape = Shape()  # noqa: RUF009  (frozen)
    extra: tuple[RowRule, ...] = field(default=(), compare=False)
    restated_share: float | None = None
    stamped: bool = False
    version: str = "1.0.0"

    def rules(
        self,
        unit: str,
        known_until: datetime,
        span: tuple[date, date] | None = None,
        table: VersionedTable = OBSERVATIONS,
    ) -> list[RowRule]:
        """Row rules for series of this family measured in ``unit``.

        Args:
            unit: the series' unit; a row in another unit is refused.
            known_until: no row may claim to have been public after this instant.
            span: first and last period of a closed record; no row may lie outside.
            table: table that the rows are of.

        Raises:
            ValueError: the family has no bounds for that unit.
        """
        if unit not in self.bounds:
            raise ValueError(f"family {self.name} has no bounds for the unit {unit!r}")
        time, unread = table.time, pl.col(table.time).is_null()
        readable, *numbers = table.rules(*self.bounds[unit])
        public = (pl.col("available_at") <= known_until) | unread
        within = (
            [RowRule("within_the_record", time, table.day.is_between(*span) | unread)]
            if span
            else []
        )
        return [
            RowRule("period_readable", time, ~unread),
            readable,
            RowRule("unit", "unit", pl.col("unit") == unit),
            *numbers,
            RowRule("calendar_day", time, self._on_calendar(table.day) | unread),
            RowRule("not_from_the_future", time, public),
            *within,
            *self.extra,
        ]

    def is_local(self, *, in_order: bool) -> bool:
        """Whether its rules judge a row by itself and a few rows before it, and not by others.

        Args:
            in_order: whether rows come in the order of their periods by themselves.
        """
        return not self.extra and self.shape.is_local(in_order=in_order)

    def _on_calendar(self, day: pl.Expr) -> pl.Expr:
        if self.frequency == "monthly":
            return day.dt.day() == 1
        return day.dt.weekday().is_in(list(self.weekdays))
