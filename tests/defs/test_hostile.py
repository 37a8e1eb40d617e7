"""The ingestion jobs against services that fail and lie: nothing lost, nothing falsified."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path

import dagster as dg
import httpx
import pytest

from cbi_pipeline import definitions
from cbi_pipeline.feeds import cftc, eia
from cbi_pipeline.ingest import _client, _sources, fault_log
from cbi_pipeline.settings import load_settings
from cbi_pipeline.warehouse import Warehouse
from tests.feed_servers.cftc_server import CftcServer, report_row
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import FOREVER, HASTY, unhurried
from tests.feed_servers.sentinel import PATHS, SENTINEL, EchoingServer, search

defs = definitions.defs()
pytestmark = pytest.mark.slow

ALWAYS = 10_000
#: Days; longer than what is read again every night.
LONG_AGO = 200
#: Some nights read a window that ends tonight; no window holds this day and new ones.
OLD_DAY = date(2005, 1, 4)
BETWEEN_TRAPS = 7
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
GENERAL = {
    "error_429": "RateLimited",
    "error_429_late": "RateLimited",
    "error_500": "FeedUnavailable",
    "html_200": "FeedUnavailable",
    "slow": "FeedUnavailable",
    "truncated": "FeedUnavailable",
    "hangup": "FeedUnavailable",
    "elsewhere": "FeedUnavailable",
    "cut": "IncompleteResponse",
}
EIA_TRAPS = GENERAL | {
    "huge": "IncompleteResponse",
    "empty": "IncompleteResponse",
    "cap": "IncompleteResponse",
    "warning": "IncompleteResponse",
    "filter_ignored": "UnexpectedShape",
    "bounds_ignored": "UnexpectedShape",
    "column_removed": "UnexpectedShape",
    "retyped": "UnexpectedShape",
    "weekly": "UnexpectedShape",
    "old_500": "UnexpectedShape",
    "frequency_error": "UnexpectedShape",
}
CFTC_TRAPS = GENERAL | {
    "empty": "IncompleteResponse",
    "cap": "IncompleteResponse",
    "not_ready": "IncompleteResponse",
    "filter_ignored": "UnexpectedShape",
    "column_removed": "UnexpectedShape",
}


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """One series of each of the two that are asked, no pace, little patience."""
    those_that_ship = _sources.live_feeds

    def feeds(settings):
        report = [
            one for one in cftc.SERIES if one.group == "disaggregated" and one.code == "067651"
        ]
        found = (
            eia.source(
                settings.feed_urls.get("eia", eia.BASE),
                [one for one in eia.SERIES if one.code == "RWTC"],
            ),
            cftc.source(settings.feed_urls.get("cftc", cftc.BASE), report),
        )
        return those_that_ship(settings) | {feed.name: unhurried(feed) for feed in found}

    def feeds_that_ship(settings, profile=None):
        with monkeypatch.context() as looking:
            looking.setattr(_sources, "live_feeds", those_that_ship)
            return _sources.profile_feeds(settings, profile)

    monkeypatch.setattr(_sources, "live_feeds", feeds)
    # The catalogue that ships follows more than the two series, and is looked at before each run.
    checks = import_module("cbi_pipeline.operations.check_catalogue")
    monkeypatch.setattr(checks, "profile_feeds", feeds_that_ship)
    monkeypatch.setattr(_client, "Patience", lambda: HASTY)


def days_back(count: int) -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(count)


def publish_eia(server: EiaServer, first: int, last: int) -> None:
    for back in range(first, last, -1):
        day = days_back(back)
        if day.weekday() < 5:
            server.publisher.publish(day, "RWTC", day.date(), f"{60 + back / 10:.2f}")


def publish_cftc(server: CftcServer, first: int, last: int) -> None:
    for back in range(first, last, -1):
        day = days_back(back)
        if day.weekday() == 1:
            row = json.dumps(report_row("disaggregated", 100_000 + back))
            server.publisher.publish(day, ("disaggregated", "067651"), day.date(), row)


def job(name: str, instance: dg.DagsterInstance) -> dict[str, dg.AssetCheckEvaluation]:
    result = defs.resolve_job_def(name).execute_in_process(QUIET, instance)
    assert result.success
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def content() -> list[tuple]:
    with Warehouse(load_settings().warehouse_dir).read() as store:
        return store.as_of(FOREVER).select("series_id", "period", "value").rows()


@pytest.fixture
def at(tmp_path, monkeypatch):
    def point(server, home=None):
        monkeypatch.setenv("CBI_HOME", str(home or tmp_path / ".cbi"))
        monkeypatch.setenv("CBI_PROFILE", "live")
        if isinstance(server, EiaServer):
            monkeypatch.setenv("CBI_FEED_URLS", json.dumps({"eia": server.url}))
            monkeypatch.setenv("EIA_API_KEY", server.key)
        else:
            monkeypatch.setenv("CBI_FEED_URLS", json.dumps({"cftc": server.base}))

    return point


@pytest.fixture
def instance(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


@dataclass
class Service:
    """A home that follows one service; each trap finds it well, with days not yet read."""

    name: str
    server: EiaServer | CftcServer
    publish: Callable[[EiaServer | CftcServer, int, int], None]
    home: Path
    instance: dg.DagsterInstance
    last: int = 0

    def asked(self) -> bool:
        return job(f"ingest_{self.name}", self.instance)["answered"].passed

    def begin(self, traps: int) -> None:
        self.last = traps * BETWEEN_TRAPS + 5
        self.publish(self.server, LONG_AGO, self.last)
        assert self.asked()

    def survives(self, trap: str, error: str) -> None:
        before, faults = content(), fault_log(load_settings())
        told = len(self.told())
        self.publish(self.server, self.last, self.last - BETWEEN_TRAPS)
        self.last -= BETWEEN_TRAPS
        self.server.traps = {trap: ALWAYS}
        answered = self.asked()
        self.server.traps = {}
        assert not answered
        assert {fault.error for fault in faults.open(self.name)} == {error}
        assert content() == before
        assert self.asked()
        assert len(content()) > len(before)
        assert self.told()[told:] == ["opened", "closed"]

    def told(self) -> list[str]:
        events = fault_log(load_settings()).events()
        # Days that came late make values stale, and the days after them fresh again.
        stale = f"{self.name} freshness"
        return [event.kind for event in events if event.feed != stale]


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("services")
    with (
        EiaServer() as one,
        CftcServer() as other,
        dg.DagsterInstance.local_temp(str(folder)) as instance,
    ):
        one.publisher.publish(days_back(LONG_AGO), "RWTC", OLD_DAY, "43.91")
        yield {
            "eia": Service("eia", one, publish_eia, folder / "eia", instance),
            "cftc": Service("cftc", other, publish_cftc, folder / "cftc", instance),
        }


@pytest.fixture
def service(services, at):
    def follow(name: str, traps: int) -> Service:
        chosen = services[name]
        at(chosen.server, chosen.home)
        if not chosen.last:
            chosen.begin(traps)
        return chosen

    return follow


@pytest.mark.parametrize(("trap", "error"), EIA_TRAPS.items())
def test_the_eias_job_survives(service, trap, error):
    service("eia", len(EIA_TRAPS)).survives(trap, error)


@pytest.mark.parametrize(("trap", "error"), CFTC_TRAPS.items())
def test_the_cftcs_job_survives(service, trap, error):
    service("cftc", len(CFTC_TRAPS)).survives(trap, error)


def test_no_failure_leaves_a_trace_of_the_key_anywhere_dagster_writes(
    at, instance, tmp_path, capfd, everything_said
):
    with EchoingServer(key=SENTINEL) as server:
        at(server)
        publish_eia(server, LONG_AGO, 5)
        for traps in PATHS:
            server.traps = dict(traps)
            job("ingest_eia", instance)
        server.traps, server.key = {}, "another key"
        assert not job("ingest_eia", instance)["answered"].passed
    spoken = capfd.readouterr()
    texts = {"log": everything_said.getvalue(), "out": spoken.out, "err": spoken.err}
    assert search(tmp_path, texts) == []
    # It looked where Dagster writes: a file of events for every run.
    assert len(list(tmp_path.rglob("*.db"))) > len(PATHS)


def test_a_crash_in_the_middle_of_a_signed_request_leaves_no_trace_of_the_key(
    at, instance, tmp_path, capfd, everything_said, monkeypatch
):
    def crashes(self, request):
        raise RuntimeError(f"cannot sign {request.url}")

    with EchoingServer(key=SENTINEL) as server:
        at(server)
        publish_eia(server, LONG_AGO, 5)
        monkeypatch.setattr(httpx.HTTPTransport, "handle_request", crashes)
        result = defs.resolve_job_def("ingest_eia").execute_in_process(
            QUIET, instance, raise_on_error=False
        )
    assert result.success
    assert "RuntimeError: cannot sign" in str(fault_log(load_settings()).open("eia"))
    spoken = capfd.readouterr()
    texts = {"log": everything_said.getvalue(), "out": spoken.out, "err": spoken.err}
    assert search(tmp_path, texts) == []
