"""The slow, obvious way to a feature row: forget all that was not public, then compute it."""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from cbi_pipeline.catalogue import Catalogue, Commodity
from cbi_pipeline.features import FeatureSet
from cbi_pipeline.features.expressions import Rhythm
from cbi_pipeline.features.feature_sets import CORE_1
from cbi_pipeline.features.group import (
    OwnSession,
    RelatedGap,
    RelatedSession,
    Report,
    Series,
    transform_of,
)
from cbi_pipeline.features.prices import HISTORY
from cbi_pipeline.market import calendar
from data_contracts.families import family
from tests.features.worlds import EPOCH

NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True)
class Known:
    """One value as known at some instant."""

    value: float
    available: datetime
    assumed: bool


class Oracle:
    """Rows of one record, one at a time."""

    def __init__(
        self, observations: pl.DataFrame, catalogue: Catalogue, feature_set: FeatureSet = CORE_1
    ) -> None:
        self.catalogue = catalogue
        self.feature_set = feature_set
        self.versions = defaultdict(list)
        ordered = observations.sort("available_at", "period", "version")
        for o in ordered.iter_rows(named=True):
            day = (o["period"] - EPOCH.date()).days
            value = o["value"] if o["status"] == "value" else None
            assumed = o["available_basis"] == "assumed"
            self.versions[o["series_id"]].append((o["available_at"], day, value, assumed))
        self._gaps: dict[tuple[str, int], float | None] = {}

    def known(self, series: str, instant: datetime) -> dict[int, Known]:
        """Period to value, in order, as public at ``instant``."""
        state: dict[int, Known] = {}
        for available, day, value, assumed in self.versions[series]:
            if available > instant:
                break
            if value is None:
                state.pop(day, None)
            else:
                state[day] = Known(value, available, assumed)
        return dict(sorted(state.items()))

    @cached_property
    def _arrays(self) -> dict[str, tuple[list[datetime], np.ndarray]]:
        return {
            name: ([v[0] for v in versions], np.array([v[1] for v in versions]))
            for name, versions in self.versions.items()
        }

    def newest(self, series: str, instant: datetime) -> tuple[int, Known] | None:
        """The newest period public at ``instant``: walks back over the withdrawn ones."""
        instants, periods = self._arrays[series]
        periods = periods[: bisect_right(instants, instant)]
        for day in np.unique(periods)[::-1].tolist():
            available, _, value, assumed = self.versions[series][np.flatnonzero(periods == day)[-1]]
            if value is not None:
                return day, Known(value, available, assumed)
        return None

    @cached_property
    def decisions(self) -> dict[str, dict[int, datetime]]:
        """Commodity to session to decision instant, sessions that came too late left out."""
        result = {}
        for commodity in self.catalogue.commodities:
            first: dict[int, datetime] = {}
            for available, day, value, _ in self.versions[commodity.price_series]:
                if value is not None and day not in first:
                    first[day] = next_night(available)
            kept, earliest = {}, None
            for day in sorted(first, reverse=True):
                if earliest is None or first[day] <= earliest:
                    kept[day], earliest = first[day], first[day]
            result[commodity.id] = dict(sorted(kept.items()))
        return result

    def row(self, commodity: Commodity, session: int) -> dict | None:
        """The row as built from nothing but what was public at its decision instant."""
        decision = self.decisions[commodity.id][session]
        prices = self.known(commodity.price_series, decision)
        if session not in prices:
            return None
        history = {day: known.value for day, known in prices.items() if day <= session}
        cells, ages = self._cells(commodity, session, decision, history)
        features = [cells[column.name] for column in self.feature_set.columns]
        mask = np.isfinite(features)
        bounded = np.clip(np.where(mask, features, 0), -10, 10).astype(np.float32)
        values = [
            value.item() if there else None for value, there in zip(bounded, mask, strict=True)
        ]
        past = transform_of(OwnSession(), HISTORY, rhythm(commodity))
        ewma, long_run, returns = on(past, history)
        known = bool(np.isfinite(ewma) and np.isfinite(long_run))
        enough = returns >= calendar(commodity.calendar).ready_after
        return {
            "commodity": commodity.id,
            "session": EPOCH.date() + timedelta(days=session),
            "decision_at": decision,
            "price": prices[session].value,
            "variance_ewma": ewma if known else None,
            "variance_long": long_run if known else None,
            "ready": bool(known and enough and ewma > 0 and long_run > 0),
            **dict(zip(self.feature_set.features, values, strict=True)),
            **{
                f"age_{group}": np.float32(min(ages[group])).item() if group in ages else None
                for group in self.feature_set.groups
            },
        }

    def _cells(self, commodity, session, decision, history) -> tuple[dict, dict]:
        """Each column's value, and ages by group."""
        cells, ages = {}, defaultdict(list)
        for group in self.feature_set.read:
            for source in group.sources:
                columns = group.columns_of(source)
                formulas = [column.expression for column in columns]
                state, last, limit, whose = self._state(
                    group, source, commodity, session, decision, history
                )
                values = [np.nan] * len(columns)
                if state and last is not None:
                    age = days(decision - last.available)
                    if not isinstance(source, RelatedGap):
                        ages[group.age_name].append(age)
                    if limit is None or age <= limit:
                        values = on(transform_of(source, formulas, rhythm(whose)), state)
                cells |= {c.name: value for c, value in zip(columns, values, strict=True)}
        return cells, ages

    def _state(self, group, source, commodity, session, decision, history):
        """What a source is at the decision: values by period, the newest, its limit, its market."""
        if isinstance(source, OwnSession):
            known = self.known(commodity.price_series, decision)
            return history, known[session], None, commodity
        if isinstance(source, Series):
            series = self.catalogue.series_of(commodity, group.name).get(source.name, "none")
            limit = family(source.family).staleness / timedelta(days=1)
            return *self._newest_of(series, decision), limit, commodity
        if isinstance(source, Report):
            limit = family(source.family).staleness / timedelta(days=1)
            return *self._newest_report(group, source, commodity, decision), limit, commodity
        other = self.catalogue.find_related(commodity)
        if other is None:
            return {}, None, None, commodity
        state, last = self._newest_of(other.price_series, decision)
        if isinstance(source, RelatedSession):
            return state, last, other.stale_after_days, other
        gaps = {
            day: self.gap(commodity, other, day)
            for day in self.decisions[commodity.id]
            if day <= session
        }
        if gaps[session] is None:
            return {}, None, None, commodity
        past = {day: gap for day, gap in gaps.items() if gap is not None}
        return past, last, None, commodity

    def _newest_of(self, series: str, decision: datetime) -> tuple[dict[int, float], Known | None]:
        state = self.known(series, decision)
        last = list(state.values())[-1] if state else None
        return {day: known.value for day, known in state.items()}, last

    def _newest_report(self, group, source, commodity, decision):
        """The columns of a report by period, and the newest of them that has a value."""
        name = self.catalogue.series_of(commodity, group.name).get(source.name, "none")
        columns = [self.versions[one] for one in group.series_behind(source, name)]
        entries: dict[int, list[float]] = {}
        known: dict[int, Known] = {}
        told = [(v[0], number, v) for number, versions in enumerate(columns) for v in versions]
        for available, number, (_, day, value, assumed) in sorted(told, key=lambda one: one[:2]):
            if available <= decision:
                entry = entries.setdefault(day, [float("nan")] * len(columns))
                entry[number] = float("nan") if value is None else value
                known[day] = Known(0.0, available, assumed)
        state = {day: entries[day] for day in sorted(entries) if not np.isnan(entries[day]).all()}
        return state, known[max(state)] if state else None

    @cached_property
    def _by_day(self) -> dict[str, dict[int, list]]:
        days = {name: defaultdict(list) for name in self.versions}
        for name, versions in self.versions.items():
            for version in versions:
                days[name][version[1]].append(version)
        return days

    def gap(self, commodity: Commodity, other: Commodity, session: int) -> float | None:
        """Log price less log other price as known at the session's own decision instant."""
        key = (commodity.id, session)
        if key not in self._gaps:
            self._gaps[key] = self._gap(commodity, other, session)
        return self._gaps[key]

    def _gap(self, commodity: Commodity, other: Commodity, session: int) -> float | None:
        decision = self.decisions[commodity.id][session]
        own = [v for v in self._by_day[commodity.price_series][session] if v[0] <= decision]
        price = own[-1][2]
        newest = self.newest(other.price_series, decision)
        if price is None or newest is None:
            return None
        if days(decision - newest[1].available) > other.stale_after_days:
            return None
        if price <= 0 or newest[1].value <= 0:
            return None
        return float((np.log(np.array([price])) - np.log(np.array([newest[1].value])))[0])


def rhythm(commodity: Commodity) -> Rhythm:
    """What a commodity's calendar says of its entries."""
    return Rhythm(commodity.sessions_per_year, calendar(commodity.calendar).ready_after)


def on(transform, history: dict[int, float | list[float]]) -> list[float]:
    """The last line of a transform of a whole history."""
    period = np.array(list(history), dtype=np.int64)
    value = np.array(list(history.values()), dtype=np.float64)
    return transform(period, value)[-1].tolist()


def days(span: timedelta) -> float:
    """A span in days."""
    return (span // timedelta(microseconds=1)) / 86_400_000_000


def next_night(instant: datetime) -> datetime:
    """The first 23:00 in New York at or after ``instant``."""
    local = instant.astimezone(NEW_YORK)
    night = datetime(local.year, local.month, local.day, 23, tzinfo=NEW_YORK)
    if local.replace(tzinfo=None) > night.replace(tzinfo=None):
        day = night.date() + timedelta(days=1)
        night = datetime(day.year, day.month, day.day, 23, tzinfo=NEW_YORK)
    return night.astimezone(EPOCH.tzinfo)
