"""The parts an asset works with, made once from the settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import polars as pl

from cbi_pipeline.catalogue import Catalogue, EvaluationPlan, load_catalogue
from cbi_pipeline.ledger import Ledger, bind_warehouse
from cbi_pipeline.operations import check_catalogue
from cbi_pipeline.settings import Settings, load_settings
from cbi_pipeline.warehouse import Store, Warehouse
from data_contracts import contract
from data_contracts.decision import DECISION_HOUR, DECISION_ZONE

if TYPE_CHECKING:
    from cbi_pipeline.registry import Registry

#: The desk's zone and the hour by which a day's knowledge is complete.
ZONE = ZoneInfo(DECISION_ZONE)
DAY_ENDS = time(DECISION_HOUR)
FEW_ORIGINS = EvaluationPlan(years=1, origins=20, refits="yearly", garch=False)


@dataclass(frozen=True)
class Pipeline:
    """Settings and what follows from them; nothing is opened or created before it is used.

    Attributes:
        settings: the settings.
        instant: what counts as now; None follows the profile's clock.
    """

    settings: Settings
    instant: datetime | None = None

    @classmethod
    def from_environment(cls) -> Pipeline:
        """The pipeline that the environment and ``.env`` describe."""
        return cls(load_settings())

    @cached_property
    def catalogue(self) -> Catalogue:
        """What is forecast, every name looked up; the tiny profile evaluates fewer origins.

        Raises:
            CatalogueError: something in it is wrong; all of it is said, in one line.
        """
        chosen = self.require_catalogue()
        if self.settings.profile == "tiny":
            return chosen.model_copy(update={"evaluation": FEW_ORIGINS})
        return chosen

    def require_catalogue(self) -> Catalogue:
        """The catalogue as written, once every name in it was looked up.

        Raises:
            CatalogueError: as for :attr:`catalogue`.
        """
        chosen = load_catalogue(self.settings.catalogue_file, profile=self.settings.profile)
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

        self.settings.make_home()
        return Registry(self.settings.mlflow_uri, self.settings.mlflow_dir / "artifacts")

    def now(self) -> datetime:
        """The instant that counts as now, UTC."""
        return (self.instant or self.settings.clock.now()).astimezone(UTC)

    def today(self) -> date:
        """The desk's day on the profile's clock."""
        return self.now().astimezone(ZONE).date()

    def is_newest(self, day: str) -> bool:
        """Whether day ``day`` (ISO) speaks today: it trains, forecasts and reports.

        Today does. In the live profile yesterday does too until a later day has spoken: a night
        that the machine slept through is made up for in the morning.
        """
        today = self.today()
        if day == today.isoformat():
            return True
        yesterday = (today - timedelta(days=1)).isoformat()
        if self.settings.profile != "live" or day != yesterday:
            return False
        with self.warehouse.read() as store:
            later = store.query(
                "SELECT 1 FROM issued.forecast WHERE track = 'live' AND as_of > ? "
                "UNION ALL SELECT 1 FROM issued.abstention WHERE track = 'live' AND as_of > ?",
                [self.as_of(day)] * 2,
            )
        return later.is_empty()

    def as_of(self, day: str) -> datetime:
        """What day ``day`` (ISO) knew, UTC: everything until 23:00 at the desk, or until now."""
        closes = datetime.combine(date.fromisoformat(day), DAY_ENDS, ZONE)
        return min(closes, self.now()).astimezone(UTC)

    def add(self, tables: dict[str, pl.DataFrame]) -> dict[str, int]:
        """Append the rows whose keys are not stored yet, in one transaction, and publish.

        Returns:
            Rows added per table; when none is new, nothing is opened for writing.
        """
        with self.warehouse.read() as store:
            if not any(len(_unknown(store, name, rows)) for name, rows in tables.items()):
                return dict.fromkeys(tables, 0)
        with self.warehouse.write() as store, store.transaction():
            # A run killed between commit and publication left rows that no snapshot shows yet.
            fresh = {name: _unknown(store, name, rows) for name, rows in tables.items()}
            added = {name: store.append(name, rows) for name, rows in fresh.items()}
        self.warehouse.publish()
        return added


def _unknown(store: Store, name: str, rows: pl.DataFrame) -> pl.DataFrame:
    key = list(contract(name).key)
    columns = ", ".join(f'"{column}"' for column in key)
    known = store.query(f"SELECT {columns} FROM {name}").cast(
        {column: contract(name).dtypes[column] for column in key}
    )
    return rows.join(known, on=key, how="anti", maintain_order="left")
