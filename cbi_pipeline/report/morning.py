"""Everything the morning report shows, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The forecast of one commodity for one target session.

    Attributes:
        horizon: label, e.g. 1w.
        sessions: the commodity's own sessions ahead.
        target: session forecast.
        quantiles: price at each level.
        up: probability that the price rises.
        passed: True when the target date lies before the as-of day already.
        actual: price that came, when known.
    """

    horizon: str
    sessions: int
    target: date
    quantiles: Mapping[float, float]
    up: float
    passed: bool = False
    actual: float | None = None

    @property
    def median(self) -> float:
        """Price at the 0.5 level."""
        return at_level(self.quantiles, 0.5)

    def band(self, percent: int) -> tuple[float, float]:
        """Low and high price of the central band of 50, 80 or 90 percent."""
        return central(self.quantiles, percent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The forecast before this one.

    Attributes:
        as_of: what was known then.
        origin: its last price's session.
        price: its last price.
        medians: its median price per horizon label.
        model: who spoke.
    """

    as_of: datetime
    origin: date
    price: float
    medians: Mapping[str, float]
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Past forecasts of one commodity and horizon whose outcome is known, by target session.

    Attributes:
        horizon: label.
        origins: last session known to each forecast.
        targets: session forecast.
        quantiles: per level, the price forecast at each target.
        actual: price that came.
    """

    horizon: str
    origins: tuple[date, ...]
    targets: tuple[date, ...]
    quantiles: Mapping[float, tuple[float, ...]]
    actual: tuple[float, ...]

    def inside(self, percent: int) -> tuple[bool, ...]:
        """Whether each outcome lay in the central band of 50, 80 or 90 percent."""
        low, high = central(self.quantiles, percent)
        return tuple(a <= y <= b for a, y, b in zip(low, self.actual, high, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One commodity: its price, its forecasts, its track record.

    Attributes:
        horizons: the catalogue's horizon labels, shortest first.
        sessions: price history, oldest first; the last one is the newest price known.
        prices: its prices.
        outlooks: forecasts, shortest horizon first; empty when it abstained.
        origin: session the forecasts start from.
        price: price they start from.
        note: what a reader must know of the record, e.g. that it is closed.
        abstention: why no forecast was issued.
        status: forecast, abstains, waits, or cannot be forecast.
        before: the forecast before this one.
        replays: past forecasts, shortest horizon first.
    """

    id: str
    name: str
    unit: str
    horizons: tuple[str, ...]
    sessions: tuple[date, ...]
    prices: tuple[float, ...]
    outlooks: tuple[Outlook, ...] = ()
    origin: date | None = None
    price: float | None = None
    note: str | None = None
    abstention: str | None = None
    status: str = "forecast"
    before: Before | None = None
    replays: tuple[Replay, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One figure of one recipe; commodity and horizon are ``*`` for all of them."""

    recipe: str
    commodity: str
    horizon: str
    metric: str
    value: float
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Origins of a commodity that a recipe had too little history to forecast."""

    recipe: str
    commodity: str
    absent: int
    planned: int
    last: date
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What was decided, by the gate, the nightly refresh or a person, when, on what, and why."""

    verdict: str
    reason: str
    recipe: str
    champion: str
    decided_at: datetime
    who: str
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """The registered version that spoke, and what it was made from."""

    version: str
    recipe: str
    recipe_id: str
    fingerprint: str
    state: str
    trained_to: datetime
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One row that was set aside: which rule, which value, and the row itself."""

    rule: str
    series: str
    column: str
    value: str | None
    row: str
    fate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDate:
    """How far one group of series reaches.

    Attributes:
        group: release group.
        frequency: daily, weekly or monthly.
        series: number of series.
        newest: newest period known.
        available_at: when that became public.
        basis: belief behind that instant.
        assumed: share of the group's values whose release time is assumed.
    """

    group: str
    frequency: str
    series: int
    newest: date
    available_at: datetime
    basis: str
    assumed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingestion:
    """What became of the rows of a feed's newest ingestion."""

    feed: str
    seen_at: datetime
    parsed: int
    accepted: int
    added: int
    quarantined: int
    duplicates: int
    ignored: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Morning:
    """One morning's report.

    Attributes:
        as_of: what was known.
        issued_at: when it was last said, on the wall clock; None when every commodity abstained.
        demonstration: True for closed historical records; sets the banner.
        modified: archive files whose content differs from what was shipped.
        pages: one per commodity, in catalogue order.
        model_version: who spoke; None when every commodity abstained.
        model: the registered version behind it, when it is in the registry's table.
        replayed: recipe whose replayed forecasts make the track record.
        scores: figures of the newest evaluation, naive forecasts first.
        absences: what was sat out in it, by recipe.
        gates: the gate's newest decisions, one per challenger.
        refresh: newest decision on a nightly version of the champion recipe.
        by_hand: promotions and rollbacks by people, newest first.
        quarantined: total of rows set aside, by rule.
        quarantine_sample: some of them.
        data_dates: one per group of series.
        ingestions: newest per feed.
        state: state of the data behind the forecast.
        catalogue: identity of the catalogue.
        evaluation_id: evaluation behind the scores.
        issued: forecasts in the issued ledger, and the hash of the newest.
    """

    as_of: datetime
    demonstration: bool
    pages: tuple[Page, ...]
    model_version: str | None
    model: ModelCard | None = None
    modified: tuple[str, ...] = ()
    replayed: str | None = None
    scores: tuple[Score, ...] = ()
    absences: tuple[Absence, ...] = ()
    gates: tuple[Gate, ...] = ()
    refresh: Gate | None = None
    by_hand: tuple[Gate, ...] = ()
    quarantined: Mapping[str, int] = field(default_factory=dict)
    quarantine_sample: tuple[Quarantined, ...] = ()
    data_dates: tuple[DataDate, ...] = ()
    ingestions: tuple[Ingestion, ...] = ()
    state: str = ""
    catalogue: str = ""
    evaluation_id: str = ""
    issued: tuple[int, str] = (0, "")
    issued_at: datetime | None = None


def at_level(quantiles: Mapping[float, T], level: float) -> T:
    """The entry of a level; levels come from arithmetic, so they are matched closely, not exactly.

    Raises:
        ValueError: the level is not there.
    """
    for candidate, value in quantiles.items():
        if abs(candidate - level) < 1e-9:
            return value
    raise ValueError(f"the report needs the {level:g} quantile; there are: {sorted(quantiles)}")


def central(quantiles: Mapping[float, T], percent: int) -> tuple[T, T]:
    """The entries that bound the central band of ``percent``."""
    tail = (100 - percent) / 200
    return at_level(quantiles, tail), at_level(quantiles, 1 - tail)
