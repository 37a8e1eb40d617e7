"""The public profile from the command line to the page, then live with a key in the same home.

Every service is on loopback. No key is set until the profile is live.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl
import pytest

from cbi_pipeline.warehouse import Warehouse
from tests.feed_servers.world import World, world
from tests.system.homes import Home

pytestmark = pytest.mark.slow

PRICED = {"wti": ("USD/bbl", "EIA.RWTC"), "henry_hub": ("USD/MMBtu", "EIA.RNGWHHD")}
SERIES = [series for _, series in PRICED.values()]


@dataclass
class Year:
    """A home after a run without a key, and after one with a key."""

    home: Home
    services: World
    first: str
    issued: pl.DataFrame
    prices: pl.DataFrame
    with_key: str
    prices_with_key: pl.DataFrame

    def table(self, name: str, where: str = "") -> pl.DataFrame:
        return read(self.home, name, where)


def read(home: Home, name: str, where: str = "") -> pl.DataFrame:
    with Warehouse(home.path / "warehouse").read() as store:
        return store.table(name, where)


def read_prices(home: Home) -> pl.DataFrame:
    rows = read(home, "raw.observation").filter(pl.col("series_id").is_in(SERIES))
    return rows.select("series_id", "period", "version", "value", "status").sort(pl.all())


@pytest.fixture(scope="module")
def year(tmp_path_factory) -> Year:
    folder = tmp_path_factory.mktemp("public")
    with world() as services:
        public = Home(folder / ".cbi", services.variables(folder, "public", **PRICED))
        first = public.cbi("run")
        assert first.returncode == 0, first.stdout + first.stderr
        issued, prices = read(public, "issued.forecast"), read_prices(public)
        live = replace(public, variables=services.variables(folder, "live", **PRICED))
        second = live.cbi("run")
        assert second.returncode == 0, second.stdout + second.stderr
        return Year(live, services, first.stdout, issued, prices, second.stdout, read_prices(live))


def test_without_a_key_the_forecast_is_of_today(year):
    live = year.issued.filter(track="live")
    assert set(live["commodity"]) == set(PRICED)
    assert (datetime.now(UTC) - live["as_of"].max()).days == 0


def test_the_page_is_no_demonstration(year):
    page = (year.home.path / "reports" / "latest.html").read_text()
    assert "historical demonstration" not in page.lower()


def test_the_prices_came_from_the_files_and_no_question_needed_a_key(year):
    feeds = set(year.table("ledger.response").filter(pl.col("status") == 200)["feed"])
    assert {"eia_history", "cftc"} <= feeds
    asked = [
        one for server in (year.services.history, year.services.cftc) for one in server.requests
    ]
    assert asked
    assert not [one for one in asked if one.one("api_key") or "authorization" in one.headers]


def test_a_key_bought_later_continues_the_record(year):
    assert year.services.eia.requests
    assert year.prices_with_key.equals(year.prices)
    assert year.prices["version"].max() == 1


def test_the_record_is_dated_as_the_contract_says(year):
    rows = year.table("raw.observation").filter(series_id="EIA.RWTC")
    assert set(rows["available_basis"]) == {"assumed"}
