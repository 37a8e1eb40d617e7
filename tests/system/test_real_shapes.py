"""The eight live prices on whole histories shaped like the real ones, through one night."""

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl
import pytest

from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.ingest import FaultLog
from cbi_pipeline.market import calendar
from cbi_pipeline.warehouse import Warehouse
from tests.catalogues import SMALL
from tests.feed_servers.histories import BELOW_ZERO, publish_histories
from tests.feed_servers.world import world
from tests.system.homes import Home

pytestmark = pytest.mark.slow

LIVE = load_catalogue(profile="live").commodities


@dataclass
class Night:
    home: Home
    done: subprocess.CompletedProcess[str]

    def table(self, name: str, where: str = "") -> pl.DataFrame:
        with Warehouse(self.home.settings.warehouse_dir).read() as store:
            return store.table(name, where)


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Night:
    folder = tmp_path_factory.mktemp("shapes")
    with world(years=6) as services:
        publish_histories(services.eia)
        # Positions of this year are enough: what is looked at are the prices.
        this_year = date(datetime.now(UTC).year, 1, 1)
        reports = services.cftc.publisher
        reports.events = [event for event in reports.events if event[2] >= this_year]
        variables = services.variables(folder)
        # The packaged live commodities, calendars and horizons; few origins and refits, and the
        # small challenger: what is tried here is the data's way, not the learning.
        home = Home(folder / ".cbi", {**variables, "CBI_CATALOGUE_FILE": str(SMALL)})
        return Night(home, home.cbi("run"))


def test_every_one_of_the_eight_is_forecast_at_every_horizon(night):
    assert night.done.returncode == 0, night.done.stdout + night.done.stderr
    issued = night.table("issued.forecast", "track = 'live'")
    asked = {(one.id, steps) for one in LIVE for steps in one.steps}
    assert set(issued.select("commodity", "horizon").rows()) == asked
    assert len(LIVE) == 8


def test_nothing_is_silent_and_no_fault_stands(night):
    assert night.table("issued.abstention").is_empty()
    assert FaultLog(night.home.settings.ledger_dir).events() == []


def test_each_forecast_starts_at_its_newest_price_and_ends_on_its_own_calendar(night):
    rows = night.table("features.origin")
    newest = dict(rows.group_by("commodity").agg(pl.col("session").max()).iter_rows())
    targets = night.table("issued.forecast", "track = 'live'").select(
        "commodity", "origin_session", "target_session"
    )
    names = {one.id: one.calendar for one in LIVE}
    for commodity, origin, target in targets.unique().iter_rows():
        assert origin == newest[commodity]
        assert calendar(names[commodity]).is_session(target)


def test_the_session_below_zero_is_kept_and_the_next_one_is_forecast_from(night):
    rows = night.table("features.origin", "commodity = 'wti'").sort("session")
    place = rows["session"].to_list().index(BELOW_ZERO)
    assert rows["price"][place] == -36.98
    assert rows["ready"][place + 1]


def test_the_report_and_the_json_show_all_eight(night):
    page = (night.home.settings.reports_dir / "latest.html").read_text()
    told = json.loads(night.home.cbi("forecast", "--json").stdout)["commodities"]
    assert {one["status"] for one in told} == {"forecast"}
    assert [one["commodity"] for one in told] == [one.id for one in LIVE]
    assert all(one.name in page for one in LIVE)
