"""What each commodity's state is and why: one kind and one reason, the same wherever it is told.

=================== ============================================================ ==================
kind                when                                                         what it is
=================== ============================================================ ==================
forecast            a forecast was issued, by the version in use or, where that  in order; the
                    cannot read the commodity, by the founding model             latter in words
abstains            the newest price is at or below zero, too old, or not yet    in order, told in
                    public; its next value is held for confirmation or missed    words
                    its release
waits               its prices need a key or a file that is not there yet        in order, listed
cannot be forecast  no price of it is held although its source was asked; its    a fault: one alert
                    history is refused, too short, or does not fit its calendar  until it is mended
=================== ============================================================ ==================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

import polars as pl

from cbi_pipeline.catalogue import Catalogue, Commodity
from cbi_pipeline.ingest import Fault, fault_log, profile_feeds
from cbi_pipeline.issued.abstain import DESK, newest_prices, why_silent
from cbi_pipeline.issued.newest_value import (
    describe_held_value,
    describe_missed_release,
    open_refusals,
)
from cbi_pipeline.market import (
    YEARS_JUDGED,
    build_sessions,
    calendar,
    coverage_rule,
    latest_prices,
)
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Store
from data_contracts.core import UTC_MICROSECONDS
from data_contracts.issued import ABSTENTION

Kind = Literal["forecast", "abstains", "waits", "cannot be forecast"]
FORECAST: Kind = "forecast"
ABSTAINS: Kind = "abstains"
WAITS: Kind = "waits"
CANNOT: Kind = "cannot be forecast"

#: What forecasts a commodity that the version in use cannot read: the catalogue's founder.
FOUNDING = "founding"
FOUNDING_WORDS = (
    "forecast by the founding model, as the version in use cannot read it, "
    "until a refresh that learned it is accepted"
)

#: A commodity's open fault stands in the fault log under its id and this word.
SUBJECT = "forecast"
#: So do those of what is made of its values before; without it there is no forecast of today.
MADE_BEFORE = ("prices", "features")
REMEDY = "The other commodities are forecast; the next night looks again"


@dataclass(frozen=True, slots=True)
class Status:
    """Where one commodity stands.

    Attributes:
        commodity: its id.
        kind: one of the four.
        reason: why there is no forecast, with what to do about it, or why the founding model
            made it; empty when the version in use did.
        is_explained: True when an open fault of a feed or of tonight's training tells the reason
            already, so that it raises no alert of its own.
    """

    commodity: str
    kind: Kind = FORECAST
    reason: str = ""
    is_explained: bool = False

    @property
    def is_fault(self) -> bool:
        """Whether something has to be mended."""
        return self.kind == CANNOT


def find_statuses(
    store: Store,
    catalogue: Catalogue,
    settings: Settings,
    as_of: datetime,
    rows: pl.DataFrame,
    waiting: Mapping[str, str],
) -> dict[str, Status]:
    """The status of every commodity from what is held, before any model is asked.

    Args:
        store: a published snapshot.
        catalogue: commodities, calendars and limits.
        settings: which feeds there are, and where their faults are noted.
        as_of: only what was public by then counts.
        rows: feature rows of the commodities decided by then.
        waiting: commodities whose prices wait for a key or a file, and what is needed.
    """
    statuses = {}
    log = fault_log(settings)
    for commodity in catalogue.commodities:
        failed = [fault for step in MADE_BEFORE for fault in log.open(f"{commodity.id} {step}")]
        if failed:
            statuses[commodity.id] = Status(
                commodity.id, CANNOT, failed[0].problem, is_explained=True
            )
            continue
        observed = store.table("raw.observation", "series_id = ?", [commodity.price_series])
        prices = latest_prices(build_sessions(observed, commodity), as_of)
        if prices.is_empty():
            statuses[commodity.id] = _without_prices(commodity, store, settings, as_of, waiting)
        else:
            own = rows.filter(pl.col("commodity") == commodity.id)
            statuses[commodity.id] = _with_prices(commodity, prices, own, store, as_of)
    return statuses


def _with_prices(
    commodity: Commodity,
    prices: pl.DataFrame,
    rows: pl.DataFrame,
    store: Store,
    as_of: datetime,
) -> Status:
    outcome = coverage_rule(prices, commodity, YEARS_JUDGED)
    if not outcome.passed:
        words = f"{outcome.detail}; load what is missing, or correct the calendar in the catalogue"
        return Status(commodity.id, CANNOT, words)
    newest, _ = newest_prices(prices, as_of)[commodity.id]
    waiting = describe_held_value(commodity, store, newest, as_of)
    if waiting is not None:
        return Status(commodity.id, ABSTAINS, waiting)
    silent = why_silent(commodity, prices, as_of)
    if silent is not None:
        missed = describe_missed_release(commodity, store, newest, as_of)
        return Status(
            commodity.id,
            ABSTAINS,
            "; ".join(filter(None, [silent, missed, _set_aside(commodity, store)])),
        )
    if rows.filter(pl.col("ready"), pl.col("price") > 0).is_empty():
        return Status(commodity.id, CANNOT, _too_short(commodity, prices))
    return Status(commodity.id)


def _set_aside(commodity: Commodity, store: Store) -> str:
    rows = open_refusals(store, commodity.price_series)
    if rows.is_empty():
        return ""
    return (
        f"{rows.height} rows of {commodity.price_series} are set aside: see `cbi quarantine list`"
    )


def _too_short(commodity: Commodity, prices: pl.DataFrame) -> str:
    level = prices.sort("session")["price"].to_numpy()
    returns = int(((level[1:] > 0) & (level[:-1] > 0)).sum())
    needed = calendar(commodity.calendar).ready_after
    if returns >= needed:
        return (
            f"the price of {commodity.name} never moved, so nothing is known of how far it may "
            f"move; look at {commodity.price_series}"
        )
    return (
        f"the price history of {commodity.name} is still too short to forecast from: {returns} "
        f"one-session returns are known, {needed} are needed; load more of {commodity.price_series}"
    )


def _without_prices(
    commodity: Commodity,
    store: Store,
    settings: Settings,
    as_of: datetime,
    waiting: Mapping[str, str],
) -> Status:
    if commodity.id in waiting:
        return Status(commodity.id, WAITS, waiting[commodity.id])
    if store.table(
        "raw.observation", "series_id = ? AND status = 'value'", [commodity.price_series]
    )["value"].len():
        day = as_of.astimezone(DESK).date()
        return Status(
            commodity.id, ABSTAINS, f"no price of {commodity.name} was public on {day} yet"
        )
    unheld = f"no price of {commodity.name} is known"
    aside = open_refusals(store, commodity.price_series)
    if aside.height:
        rules = ", ".join(sorted(set(aside["rule"])))
        return Status(
            commodity.id,
            CANNOT,
            f"{unheld}: all {aside.height} rows of {commodity.price_series} are set aside by the "
            f"rule {rules}; see `cbi quarantine list`",
        )
    for feed, fault in _explaining(commodity, settings):
        words = f"{unheld}, because {feed} has a fault: {fault.problem}. {fault.remedy}"
        return Status(commodity.id, CANNOT, words, is_explained=True)
    return Status(
        commodity.id,
        CANNOT,
        f"{unheld}: nothing was ever published to us as {commodity.price_series}; correct its "
        "price_series in the catalogue, or look at the service's own page",
    )


def _explaining(commodity: Commodity, settings: Settings) -> Iterator[tuple[str, Fault]]:
    """Open faults of the feed that brings a commodity's prices, of all of it or of that pull."""
    if not settings.has_services:
        return
    for name, feed in profile_feeds(settings).items():
        groups = {series.group for series in feed.series if series.id == commodity.price_series}
        for fault in fault_log(settings).open(name) if groups else ():
            if fault.scope == "*" or any(fault.scope.startswith(group) for group in groups):
                yield name, fault


def abstentions(statuses: Iterable[Status], *, track: str, as_of: datetime) -> pl.DataFrame:
    """Rows of issued.abstention of the commodities that are not forecast."""
    silent = [status for status in statuses if status.kind != FORECAST]
    return pl.DataFrame(
        {
            "commodity": [status.commodity for status in silent],
            "kind": [status.kind for status in silent],
            "reason": [status.reason for status in silent],
        },
        schema=dict.fromkeys(("commodity", "kind", "reason"), pl.String),
    ).with_columns(track=pl.lit(track), as_of=pl.lit(as_of, UTC_MICROSECONDS))[
        list(ABSTENTION.dtypes)
    ]


def issued_statuses(store: Store, as_of: datetime) -> dict[str, Status]:
    """The statuses as they were issued live at an instant, by commodity.

    An abstention of the first version named no kind: it stands as an abstention.
    """
    arguments = [as_of]
    spoken = store.query(
        "SELECT commodity, arg_max(model_version, sequence) AS who FROM issued.forecast "
        "WHERE track = 'live' AND as_of = ? GROUP BY commodity",
        arguments,
    )
    silent = store.table("issued.abstention", "track = 'live' AND as_of = ?", arguments)
    return {
        row["commodity"]: Status(row["commodity"], cast("Kind", row["kind"]), row["reason"])
        for row in silent.with_columns(pl.col("kind").fill_null(ABSTAINS)).iter_rows(named=True)
    } | {
        name: Status(name, FORECAST, FOUNDING_WORDS if who == FOUNDING else "")
        for name, who in spoken.iter_rows()
    }


def newest_statuses(store: Store) -> tuple[Status, ...]:
    """The statuses of the newest live night, by commodity; none before the first."""
    newest = store.query(
        "SELECT max(as_of) AS newest FROM (SELECT track, as_of FROM issued.forecast "
        "UNION ALL SELECT track, as_of FROM issued.abstention) WHERE track = 'live'"
    )["newest"][0]
    statuses = issued_statuses(store, newest) if newest is not None else {}
    return tuple(statuses[name] for name in sorted(statuses))


def open_faults(settings: Settings) -> tuple[Fault, ...]:
    """Every open fault of a feed, a training or a commodity; old news of a feed is none.

    What is stale makes a commodity abstain, in words.
    """
    log, feeds = fault_log(settings), set[str]()
    if settings.has_services:
        feeds.update(profile_feeds(settings))
    # What is no feed has a name of two words.
    return tuple(
        fault
        for subject in dict.fromkeys(event.feed for event in log.events())
        if subject in feeds or (" " in subject and not subject.endswith(" freshness"))
        for fault in log.open(subject)
    )


def note_faults(statuses: Iterable[Status], settings: Settings, at: datetime) -> None:
    """Note what cannot be forecast, and what can again: one alert each when it opens or closes.

    Commodities that are no longer followed are closed as well. What an open fault of a feed or of
    the training tells already is neither opened nor closed.
    """
    log, explained = fault_log(settings), set()
    faults: dict[str, Fault] = {}
    for status in statuses:
        subject = f"{status.commodity} {SUBJECT}"
        if status.is_explained:
            explained.add(subject)
        elif status.is_fault:
            faults[subject] = Fault(subject, "*", "CannotBeForecast", status.reason, REMEDY)
    noted = {event.feed for event in log.events() if event.feed.endswith(f" {SUBJECT}")}
    for subject in sorted((noted | faults.keys()) - explained):
        log.settle(subject, [faults[subject]] if subject in faults else [], at)
