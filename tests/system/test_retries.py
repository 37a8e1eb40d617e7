"""Live runs of the asset graph as the page launches them, and their retries the morning after.

Each run is executed from its definitions anew, by whatever executor these ask for. The night of
yesterday is one whose run notes that it began at 23:15.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from cbi_pipeline.operations.pipeline import ZONE
from cbi_pipeline.warehouse import Warehouse, connect
from tests.commands import Program
from tests.feed_servers.world import world
from tests.system.homes import Home

pytestmark = pytest.mark.slow

LAUNCH = """
import sys
import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository
from cbi_pipeline.commands.instance import open_instance
from cbi_pipeline.settings import load_settings

job, day, began, retried = sys.argv[1:]
instance = open_instance(load_settings())
module = ReconstructableRepository.for_module("cbi_pipeline.definitions", "defs")
tags = {"dagster/partition": day} if day else {}
tags |= {"cbi/first_start": began} if began else {}
assets = None
if job == "__ASSET_JOB":
    names = "market/session features/row features/target "
    names += "forecasting/refresh issued/forecast issued/score report/morning"
    assets = [dg.AssetKey(name.split("/")) for name in names.split()]
options = None
if retried:
    newest = instance.get_run_records(dg.RunsFilter(job_name=job), limit=1)[0].dagster_run
    options = dg.ReexecutionOptions.from_failure(newest.run_id, instance)
    # Of the tags of the run before, the day alone: what it knew is for the retry to find.
    tags, assets = {"dagster/partition": newest.tags["dagster/partition"]}, None
with dg.execute_job(
    module.get_reconstructable_job(job), instance, tags=tags, asset_selection=assets,
    reexecution_options=options, raise_on_error=False,
) as result:
    sys.exit(0 if result.success else 3)
"""
NOW = datetime.now(ZONE)
YESTERDAY = NOW - timedelta(days=1)
NIGHT = YESTERDAY.replace(hour=23, minute=15, second=0, microsecond=0)
TODAY = f"{NOW:%Y-%m-%d}"


def launched(home: Home, job: str, day: str = "", began: str = "", *, retry: bool = False) -> int:
    done = Program(LAUNCH, (job, day, began, "retry" if retry else ""), home.environment).wait()
    assert done.returncode in (0, 3), done.stderr
    return done.returncode


@dataclass
class Story:
    """What came of yesterday's night, its retry, and two launches of today.

    Attributes:
        codes: 0 of each launch that succeeded.
        reports: pages there were after the retry of yesterday's night.
    """

    home: Home
    codes: list[int]
    reports: set[str]

    def live(self) -> pl.DataFrame:
        with Warehouse(self.home.path / "warehouse").read() as store:
            said = store.table("issued.forecast", "track = 'live'")
        return said.select("as_of", "issued_at", "origin_session").unique().sort("as_of")


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> Story:
    folder = tmp_path_factory.mktemp("retries")
    with world(years=3) as services:
        home = Home(folder / ".cbi", services.variables(folder, wti=("USD/bbl", "EIA.RWTC")))
        assert launched(home, "ingest_eia") == 0
    reports = Path(home.settings.reports_dir)
    reports.write_text("a file where the pages belong")
    codes = [launched(home, "nightly", f"{YESTERDAY:%Y-%m-%d}", NIGHT.isoformat())]
    reports.unlink()
    codes.append(launched(home, "nightly", retry=True))
    pages = {page.name for page in reports.iterdir()}
    codes += [launched(home, "__ASSET_JOB", TODAY) for _ in range(2)]
    return Story(home, codes, pages)


def test_a_night_whose_report_failed_is_finished_by_its_retry_in_the_morning(story):
    assert story.codes[:2] == [3, 0]
    assert story.reports == {f"morning-{YESTERDAY:%Y-%m-%d}.html", "latest.html"}
    assert story.live()["as_of"][0] == NIGHT.replace(minute=0)


def test_the_asset_graph_is_materialized_at_any_hour(story):
    assert story.codes[2:] == [0, 0]
    assert (story.home.settings.reports_dir / f"morning-{TODAY}.html").is_file()


def test_everything_said_stays_and_says_when_it_was_issued(story):
    said = story.live()
    # After 23:00 both launches of today know the same, and what was said is not said again.
    assert len(said) == (3 if NOW.hour < 23 else 2)
    assert said["issued_at"].is_sorted()
    assert (said["issued_at"] >= said["as_of"]).all()
    assert (said["issued_at"] > NOW.astimezone(UTC)).all()
    assert story.home.cbi("ledger", "verify").returncode == 0


def test_applications_see_one_forecast_a_day_the_last(story):
    with connect(story.home.path) as connection:
        rows = connection.execute(
            "SELECT DISTINCT as_of FROM forecast WHERE track = 'live' ORDER BY as_of"
        ).fetchall()
    said = story.live()["as_of"].to_list()
    assert [as_of for (as_of,) in rows] == [said[0], said[-1]]
