"""A week of nights without a key, two services of three down each night, then a night with a key.

Every job runs through Dagster in a process of its own, against services on loopback.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from cbi_pipeline.ingest import FaultLog
from cbi_pipeline.warehouse import Warehouse
from tests.commands import Program
from tests.feed_servers.world import world
from tests.system.homes import Home

pytestmark = pytest.mark.slow

#: Jobs one after the other, as schedules' ticks would start them.
JOBS = """
import sys
import dagster as dg
from cbi_pipeline import definitions
from cbi_pipeline.operations.pipeline import Pipeline
for name in sys.argv[1:]:
    job, pipeline = definitions.defs().resolve_job_def(name), Pipeline.from_environment()
    day = pipeline.today().isoformat() if job.partitions_def else None
    with dg.DagsterInstance.ephemeral() as instance:
        job.execute_in_process(
            partition_key=day, resources={"pipeline": pipeline}, instance=instance
        )
"""
KEPT = '[feed.worldbank]\nkeep = "every service of this world is asked"\n'
ALWAYS = 10_000
NIGHTS = 7
FEEDS = ("eia_history", "cftc", "worldbank")
JOBS_OF_ALL = tuple(f"ingest_{name}" for name in FEEDS)


@dataclass
class Week:
    home: Home
    faults: list[tuple[set[str], set[str]]] = field(default_factory=list)
    healed: set[str] = field(default_factory=set)
    rows: list[pl.DataFrame] = field(default_factory=list)
    issued: pl.DataFrame | None = None


def start(home: Home, *jobs: str) -> None:
    done = Program(JOBS, jobs, home.environment).wait()
    assert done.returncode == 0, done.stderr


def read_rows(home: Home) -> pl.DataFrame:
    with Warehouse(home.path / "warehouse").read() as store:
        return store.table("raw.observation").sort("series_id", "period", "version")


def find_broken(home: Home) -> set[str]:
    log = FaultLog(home.path / "ledger")
    return {name for name in FEEDS if log.open(name)}


@pytest.fixture(scope="module")
def week(tmp_path_factory) -> Week:
    folder, now = tmp_path_factory.mktemp("week"), datetime.now(UTC)
    with world(years=2) as services:
        servers = dict(zip(FEEDS, (services.history, services.cftc, services.bank), strict=True))
        priced = {"wti": ("USD/bbl", "EIA.RWTC")}
        week = Week(Home(folder / ".cbi", services.variables(folder, "public", **priced)))
        own = week.home.path / "catalogue" / "kept.toml"
        own.parent.mkdir(parents=True, mode=0o700)
        own.write_text(KEPT)
        for night in range(NIGHTS):
            alive = FEEDS[night % len(FEEDS)]
            for name, server in servers.items():
                server.publisher.now = now - timedelta(days=NIGHTS - night)
                server.traps = {} if name == alive else {"html_200": ALWAYS}
            start(week.home, *JOBS_OF_ALL)
            week.faults.append((find_broken(week.home), set(FEEDS) - {alive}))
        for server in servers.values():
            server.publisher.now, server.traps = None, {}
        start(week.home, *JOBS_OF_ALL, "nightly")
        week.healed, week.rows = find_broken(week.home), [read_rows(week.home)]
        with Warehouse(week.home.path / "warehouse").read() as store:
            week.issued = store.table("issued.forecast", "track = 'live'")
        live = replace(week.home, variables=services.variables(folder, "live", **priced))
        start(live, "ingest_eia", "ingest_cftc", "ingest_worldbank")
        week.rows.append(read_rows(live))
        return week


def test_each_night_the_two_that_are_down_are_faults_and_no_other(week):
    assert [broken for broken, _ in week.faults] == [down for _, down in week.faults]


def test_a_night_on_which_all_answer_heals_everything(week):
    assert week.healed == set()


def test_the_week_lost_nothing_and_restated_nothing(week):
    (rows, _) = week.rows
    newest = rows.group_by("series_id").agg(pl.col("period").max())
    assert {"EIA.RWTC", "WB.GOLD"} <= set(newest["series_id"])
    assert rows["version"].max() == 1
    assert set(rows["status"]) == {"value"}


def test_after_the_week_the_forecast_is_issued(week):
    assert set(week.issued["commodity"]) == {"wti"}


def test_equal_values_of_the_service_with_a_key_add_no_version(week):
    before, after = week.rows
    assert after.equals(before)
