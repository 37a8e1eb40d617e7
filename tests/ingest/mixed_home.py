"""A home fed by everything: the archive, two live feeds over several nights, an import."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from cbi_pipeline import ingest
from cbi_pipeline.feeds.source import Source
from cbi_pipeline.ingest._retry import Retried, retry
from cbi_pipeline.ledger import Ledger
from cbi_pipeline.operations.import_csv import import_csv
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Warehouse
from tests.feed_servers.cftc_server import CftcServer, report_row
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import Installation, cftc_installation, eia_installation
from tests.ingest.archive_copy import Pipe

NIGHT = datetime(2020, 6, 4, 3, tzinfo=UTC)
BRENT = "EIA.RBRTE"
#: A price that no contract of today lets through.
TOO_DEAR = "1500.00"
DEAR_DAY = date(2020, 4, 3)
TABLES = (
    "ref.series",
    "ref.release",
    "ledger.response",
    "ledger.txn",
    "raw.observation",
    "quarantine.row",
)


@dataclass
class Home:
    """A ledger and a warehouse, and the live feeds whose answers lie in them."""

    root: Path
    feeds: dict[str, Source]

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.root / "ledger")

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.root / "warehouse")

    def rebuild(self) -> ingest.Rebuilt:
        return ingest.rebuild(self.ledger, self.warehouse, self.feeds)

    def retry(self, rule: str, now: datetime, feed: str | None = None) -> list[Retried]:
        return retry(self.ledger, self.warehouse, self.feeds, rule, lambda _: now, feed)

    def table(self, name: str) -> pl.DataFrame:
        with self.warehouse.read() as store:
            return store.table(name)

    def content(self) -> dict[str, pl.DataFrame]:
        return {name: self.table(name) for name in TABLES}


def assert_same(
    before: dict[str, pl.DataFrame], after: dict[str, pl.DataFrame], but: tuple[str, ...] = ()
) -> None:
    for name in set(TABLES) - set(but):
        assert before[name].equals(after[name]), name


@contextmanager
def servers() -> Iterator[tuple[EiaServer, CftcServer]]:
    with EiaServer() as eia, CftcServer() as cftc:
        for offset in range(110):
            day = date(2020, 1, 2) + timedelta(days=offset)
            if day.weekday() < 5:
                eia.publisher.publish(NIGHT, "RBRTE", day, f"{40 + offset / 7:.2f}")
        for week in range(21):
            report = date(2020, 1, 7) + timedelta(days=7 * week)
            row = json.dumps(report_row("legacy", 100_000 + week))
            cftc.publisher.publish(NIGHT, ("legacy", "067651"), report, row)
        yield eia, cftc


def tell(eia: EiaServer, night: int, day: date, text: str | None) -> None:
    eia.publisher.publish(NIGHT + timedelta(days=night), "RBRTE", day, text)


def live_nights(home: Path, eia: EiaServer, cftc: CftcServer, nights: int) -> dict[str, Source]:
    """Ask both services night after night; a revision, a refusal and a withdrawal come along."""
    brent = eia_installation(home, eia, codes=("RBRTE",))
    report = cftc_installation(home, cftc)
    for night in range(nights):
        now = NIGHT + timedelta(days=night)
        eia.publisher.now = cftc.publisher.now = now
        _one(brent, now)
        if night in (0, 2):
            _one(report, now)
    return {brent.feed.name: brent.feed, report.feed.name: report.feed}


def _one(installation: Installation, now: datetime) -> None:
    installation.night(now)
    assert installation.problem() == ""


def mixed_home(root: Path, archive_dir: Path | None = None) -> Home:
    """Archive, import, nights of both live feeds, and the import once more with other values.

    The import is of today and the nights are of 2020, so the first of them corrects its dates.
    """
    if archive_dir is not None:
        Pipe(root, archive_dir).run()
    own(root, "period,value\n2020-01-02,801.5\n2020-01-03,\n2020-01-06,3\n")
    with servers() as (eia, cftc):
        tell(eia, 1, date(2020, 4, 1), "33.33")
        tell(eia, 1, DEAR_DAY, TOO_DEAR)
        tell(eia, 2, date(2020, 4, 14), eia.publisher.WITHDRAWN)
        tell(eia, 3, date(2020, 4, 1), "34.44")
        feeds = live_nights(root, eia, cftc, nights=4)
    own(root, "period,value\n2020-01-02,801.5\n2020-01-06,4\n")
    return Home(root, feeds)


def own(root: Path, text: str) -> None:
    """A whole history of palm oil, in place of what is held."""
    file = root.parent / "palm.csv"
    file.write_text(text)
    settings = Settings(_env_file=None, home=root, profile="archive")
    given = {"series": "DESK.CPO", "unit": "USD/t", "source": "desk book"}
    import_csv(settings, file, **given, mode="replace")
