"""A hole that is filled late and an own history that was first seen today: the others go on.

Two nights: on the first the own history was imported an hour ago, and a session of the price beside
it is not public yet; a day later the session is, and the own history is one day old.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from subprocess import CompletedProcess

import polars as pl
import pytest

from cbi_pipeline.operations.pipeline import ZONE
from cbi_pipeline.operations.walk_forward_store import read_forecasts
from cbi_pipeline.warehouse import Warehouse
from tests.commands import Program
from tests.feed_servers.world import world
from tests.system.homes import Home

pytestmark = pytest.mark.slow

#: The jobs of a later day's night, with Dagster's clock there as well; the evidence is gathered
#: anew once the own history has rows, and the report shows it.
LATER_NIGHT = """
import sys
from datetime import datetime
import dagster as dg
from dagster._core.test_utils import freeze_time
from cbi_pipeline import definitions
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.rounds import list_recipes
from cbi_pipeline.runs.recipes import range_tags, renew_recipes
instant = datetime.fromisoformat(sys.argv[1])
pipeline = Pipeline(Pipeline.from_environment().settings, instant)
instance = dg.DagsterInstance.ephemeral()
renew_recipes(instance, list_recipes(pipeline))
day = {"partition_key": instant.date().isoformat()}
launched = {"nightly": day, "evaluate": {"tags": range_tags(list_recipes(pipeline))}}
for name in ("ingest_eia", "nightly", "evaluate", "decide", "nightly"):
    job = definitions.defs().resolve_job_def(name)
    with freeze_time(instant):
        job.execute_in_process(
            resources={"pipeline": pipeline}, instance=instance, **launched.get(name, {})
        )
"""
UNTRAINED = ["climatology", "ewma", "garch_t", "gjr_t"]


@dataclass
class Nights:
    home: Home
    first: CompletedProcess[str]
    hole: date

    def table(self, name: str, *where) -> pl.DataFrame:
        with Warehouse(self.home.settings.warehouse_dir).read() as store:
            return store.table(name, *where)

    def walked(self, evaluation: str) -> pl.DataFrame:
        """The forecasts of an evaluation."""
        with Warehouse(self.home.settings.warehouse_dir).read() as store:
            return read_forecasts(store, evaluation)

    def said(self) -> dict[datetime, set[str]]:
        """Commodities forecast on each live night, oldest first."""
        live = self.table("issued.forecast", "track = 'live'").sort("as_of")
        nights = live.group_by("as_of", maintain_order=True).agg(pl.col("commodity").unique())
        return {as_of: set(names) for as_of, names in nights.rows()}

    def evidence(self) -> list[str]:
        """The two evaluations, oldest first."""
        ruled = self.table("registry.decision").filter(who="gate").sort("decided_at")
        return ruled["evaluation_id"].unique(maintain_order=True).to_list()


@pytest.fixture(scope="module")
def nights(tmp_path_factory) -> Nights:
    folder = tmp_path_factory.mktemp("young")
    with world() as services:
        series = {"wti": ("USD/bbl", "EIA.RWTC"), "own": ("USD/bbl", "OWN.BRENT")}
        home = Home(folder / ".cbi", services.variables(folder, **series))
        published = services.eia.publisher.events
        rows = [f"{period},{value}" for _, code, period, value in published if code == "RBRTE"]
        (folder / "own.csv").write_text("\n".join(["period,value", *rows]))
        late = sorted(event for event in published if event[1] == "RWTC")[-40]
        published.remove(late)
        asked = ("--series", "OWN.BRENT", "--unit", "USD/bbl", "--source", "the desk")
        done = home.cbi("feeds", "import", "csv", str(folder / "own.csv"), *asked)
        assert done.returncode == 0, done.stderr
        first = home.cbi("run")
        tomorrow = datetime.now(ZONE) + timedelta(days=1)
        tick = tomorrow.replace(hour=23, minute=15, second=0, microsecond=0)
        published.append((datetime.now(ZONE), *late[1:]))
        second = Program(LATER_NIGHT, (tick.isoformat(),), home.environment).wait()
        assert second.returncode == 0, second.stderr[-4000:]
    return Nights(home, first, late[2])


def test_a_history_first_seen_today_abstains_in_words_and_the_other_is_forecast(nights):
    first, _ = nights.said().values()
    assert first == {"wti"}
    (reason,) = nights.table("issued.abstention")["reason"]
    assert reason in nights.first.stdout


def test_a_day_later_it_is_forecast_and_said_to_be_never_tested(nights):
    _, second = nights.said().values()
    assert second == {"wti", "own"}
    page = (nights.home.settings.reports_dir / "latest.html").read_text()
    assert "own: never tested. No past forecast of it could be judged yet." in page


def test_garch_sits_out_what_it_has_no_history_of_and_the_page_says_why(nights):
    absent = nights.table("evaluation.absence", "evaluation_id = ?", [nights.evidence()[1]])
    assert absent.select("recipe", "commodity", "absent").rows() == [
        ("garch_t", "own", 1),
        ("gjr_t", "own", 1),
    ]
    page = (nights.home.settings.reports_dir / "latest.html").read_text()
    assert "GARCH(1,1)-t sat out 1 of 1 past forecasts of own" in page
    assert "0 returns were public at the refit of" in page


def test_a_session_that_came_late_is_dated_by_when_it_came(nights):
    wti = nights.table("market.session", "commodity = 'wti'").filter(session=nights.hole)
    assert wti["available_basis"].to_list() == ["first_seen"]


def test_nothing_said_of_the_past_changes_when_a_session_comes_late(nights):
    before, after = (nights.walked(name).filter(commodity="wti") for name in nights.evidence())
    key = ["recipe", "origin_session", "horizon", "quantile"]
    both = before.join(after, on=key, suffix="_after").filter(pl.col("recipe").is_in(UNTRAINED))
    assert set(both["recipe"]) == set(UNTRAINED)
    assert both["origin_session"].n_unique() >= 7
    for figure in ("value", "up", "volatility"):
        assert (both[figure] == both[f"{figure}_after"]).all()
