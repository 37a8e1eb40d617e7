"""The parts an asset works with, made once from the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import polars as pl

from cbi_pipeline.catalogue import Catalogue, load_catalogue
from cbi_pipeline.ledger import Ledger, bind_warehouse
from cbi_pipeline.operations import check_catalogue
from cbi_pipeline.operations.home_catalogue import require_own_home
from cbi_pipeline.settings import Settings, load_settings
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse
from data_contracts import contract
from data_contracts.decision import DECISION_HOUR, DECISION_ZONE
from data_contracts.versioned import VERSIONED

if TYPE_CHECKING:
    from cbi_pipeline.registry import Registry

#: The desk's zone and the hour by which a day's knowledge is complete.
ZONE = ZoneInfo(DECISION_ZONE)
DAY_ENDS = time(DECISION_HOUR)


@dataclass(frozen=True)
class Pipeline:
    """Settings and what follows from them; nothing is opened or created before it is used.

    Attributes:
        settings: the settings.
        started: when the run began that it is made for; None outside of one, where it is now.
        first_started: when the run began that this one retries; None where it retries none.
    """

    settings: Settings
    started: datetime | None = None
    first_started: datetime | None = None

    @classmethod
    def from_environment(cls) -> Pipeline:
        """The pipeline that the environment and ``.env`` describe."""
        return cls(load_settings())

    @cached_property
    def catalogue(self) -> Catalogue:
        """What is forecast, every name looked up.

        Raises:
            CatalogueError: something in it is wrong; all of it is said, in one line.
        """
        return self.require_catalogue()

    def require_catalogue(self) -> Catalogue:
        """The catalogue as written, once every name in it was looked up.

        Raises:
            CatalogueError: as for :attr:`catalogue`, or the home was made with another one.
        """
        require_own_home(self.settings)
        chosen = load_catalogue(*self.settings.catalogue_files, profile=self.settings.profile)
        check_catalogue(chosen, self.settings)
        return chosen

    @cached_property
    def warehouse(self) -> Warehouse:
        """The tables."""
        self.settings.make_home()
        return bind_warehouse(self.settings)

    @cached_property
    def ledger(self) -> Ledger:
        """The bytes."""
        self.settings.make_home()
        return Ledger(self.settings.ledger_dir)

    @cached_property
    def registry(self) -> Registry:
        """The models."""
        from cbi_pipeline.registry import Registry

        return Registry(self.settings.mlflow_uri, self.settings.mlflow_dir / "artifacts")

    def now(self) -> datetime:
        """The wall clock, UTC: when something is made."""
        return datetime.now(UTC)

    def today(self) -> date:
        """The desk's day on which the run began."""
        return desk_day(self.started or self.now())

    def newest_as_of(self) -> datetime:
        """What a run that is for no day in particular knew, UTC: everything until it began."""
        return self._newest_public(self._began())

    def as_of(self, day: str) -> datetime:
        """What day ``day`` (ISO) knew, UTC: everything until 23:00 at the desk, or until the start.

        The start is that of the run, or of the one that it retries. Closed records say nothing new
        as time passes: there it is no later than the newest public instant of anything held, which
        a day still going on knows at any hour.
        """
        began = self._began()
        if not self._is_live and day >= desk_day(began).isoformat():
            return self._newest_public(began)
        return min(self.closes(day), self._newest_public(began))

    def closes(self, day: str) -> datetime:
        """The end of day ``day`` (ISO) at the desk, UTC."""
        return datetime.combine(date.fromisoformat(day), DAY_ENDS, ZONE).astimezone(UTC)

    def is_newest(self, day: str) -> bool:
        """Whether day ``day`` (ISO) is issued live today: it trains, forecasts and reports.

        Today is. In the live profile yesterday is too until a later day was issued: a night
        that the machine slept through is made up for in the morning. On closed records every day
        does that knows all there is.
        """
        today = self.today()
        if not self._is_live:
            return self.as_of(day) == self.as_of(today.isoformat())
        if day == today.isoformat():
            return True
        if day != (today - timedelta(days=1)).isoformat():
            return False
        newest = self.newest_issue()
        return newest is None or newest <= self.closes(day)

    def newest_issue(self, until: datetime | None = None) -> datetime | None:
        """Newest as-of instant, ``until`` an instant, of a live forecast or abstention.

        A day that was missed was not issued, although it has rows that say so.
        """
        with self.warehouse.read() as store:
            newest: datetime | None = store.query(
                "SELECT max(as_of) AS newest FROM ("
                "SELECT track, as_of FROM issued.forecast "
                "UNION ALL SELECT track, as_of FROM issued.abstention "
                "WHERE kind IS DISTINCT FROM 'missed') "
                "WHERE track = 'live' AND as_of <= coalesce(?, as_of)",
                [until],
            )["newest"][0]
        return newest

    @property
    def _is_live(self) -> bool:
        return self.settings.has_services

    def _began(self) -> datetime:
        return (self.first_started or self.started or self.now()).astimezone(UTC)

    def _newest_public(self, until: datetime) -> datetime:
        """``until``; on closed records the newest public instant of anything held by then."""
        if self._is_live:
            return until
        try:
            with self.warehouse.read() as store:
                newest: list[datetime | None] = [
                    store.query(
                        f"SELECT max(available_at) AS newest FROM {table.name} "
                        "WHERE available_at <= ?",
                        [until],
                    )["newest"][0]
                    for table in VERSIONED
                ]
        except NothingPublished:
            return until
        return max(filter(None, newest), default=until)

    def add(
        self, tables: dict[str, pl.DataFrame], also: Callable[[Store], object] | None = None
    ) -> dict[str, int]:
        """Append the rows whose keys are not stored yet, in one transaction, and publish.

        Where a table allows it, rows take the place of those with their keys.

        Args:
            tables: rows by table.
            also: what else is done in the transaction, once the rows are there.

        Returns:
            Rows added per table; when none is new, nothing is opened for writing.
        """
        with self.warehouse.read() as store:
            if not any(len(store.find_new(name, rows)) for name, rows in tables.items()):
                return dict.fromkeys(tables, 0)
        with self.warehouse.write() as store, store.transaction():
            # A run killed between commit and publication left rows that no snapshot shows yet.
            fresh = {name: store.find_new(name, rows) for name, rows in tables.items()}
            added = {name: _put(store, name, rows) for name, rows in fresh.items()}
            if also is not None:
                also(store)
        self.warehouse.publish()
        return added


def desk_day(instant: datetime) -> date:
    """The day that an instant falls into at the desk."""
    return instant.astimezone(ZONE).date()


def _put(store: Store, name: str, rows: pl.DataFrame) -> int:
    put = store.replace if contract(name).is_overwritten else store.append
    return put(name, rows)
