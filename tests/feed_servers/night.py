"""One simulated installation: a feed, its server, a real ledger and a real warehouse."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
from pydantic import SecretStr

from cbi_pipeline import ingest
from cbi_pipeline.feeds import cftc, eia
from cbi_pipeline.feeds.cftc_series import SERIES as COT
from cbi_pipeline.feeds.eia_series import SERIES as EIA
from cbi_pipeline.feeds.source import Source
from cbi_pipeline.ingest._client import Patience
from cbi_pipeline.ledger import Ledger
from cbi_pipeline.warehouse import Warehouse
from tests.feed_servers.server import FeedServer

HASTY = Patience(
    connect=1.0, read=0.3, total=3.0, attempts=3, first_wait=0.01, longest_wait=1.0, size=8_000_000
)
WTI = "EIA.RWTC"
FOREVER = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass
class Installation:
    home: Path
    feed: Source
    key: SecretStr | None
    patience: Patience = HASTY
    landed: ingest.Landed | None = None
    reports: list[ingest.IngestReport] = field(default_factory=list)

    @property
    def ledger(self):
        return Ledger(self.home / "ledger")

    @property
    def warehouse(self):
        return Warehouse(self.home / "warehouse")

    @property
    def faults(self):
        return ingest.FaultLog(self.home / "ledger")

    def night(self, now: datetime, hour: datetime | None = None) -> ingest.IngestReport:
        """A night at ``now`` by our clock, and by the server's unless it gives another hour."""
        FeedServer.hour = hour or now
        try:
            self.landed = ingest.land_night(
                self.feed,
                self.feed.series,
                self.key,
                self.ledger,
                self.warehouse,
                now,
                patience=self.patience,
            )
        finally:
            FeedServer.hour = None
        report = ingest.deliver(self.feed, self.landed, self.ledger, self.warehouse, self.faults)
        self.reports.append(report)
        return report

    def table(self, name) -> pl.DataFrame:
        with self.warehouse.read() as store:
            return store.table(name)

    def values(self, series=WTI) -> dict[date, float]:
        with self.warehouse.read() as store:
            known = store.as_of(FOREVER, series=[series])
        return dict(known.select("period", "value").iter_rows())

    def content(self) -> list[tuple]:
        with self.warehouse.read() as store:
            return store.as_of(FOREVER).select("series_id", "period", "value").rows()

    def problem(self) -> str:
        return "; ".join(str(fault) for fault in self.faults.open(self.feed.name))

    def errors(self) -> set[str]:
        return {fault.error for fault in self.faults.open(self.feed.name)}


def eia_installation(home: Path, server, codes=("RWTC",), page=5000, key=None) -> Installation:
    series = [one for one in EIA if one.code in codes]
    feed = eia.source(server.url, series, page)
    return Installation(home, unhurried(feed), SecretStr(key or server.key))


def cftc_installation(
    home: Path, server, report="legacy", codes=("067651",), token=None, page=1000
):
    series = [one for one in COT if one.group == report and one.code in codes]
    key = SecretStr(token) if token else None
    return Installation(home, unhurried(cftc.source(server.base, series, page)), key)


def unhurried(feed: Source) -> Source:
    """The feed with a pace that a test can afford."""
    from dataclasses import replace

    return replace(feed, service=replace(feed.asked, per_second=10_000))
