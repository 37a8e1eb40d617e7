"""The live profile from the command line to the page, against services on loopback.

One service is dead, one price stopped arriving weeks ago and one never came. The key is marked.
"""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from cbi_pipeline.defs.pipeline import ZONE
from cbi_pipeline.ingest import FaultLog
from cbi_pipeline.warehouse import Warehouse
from tests.commands import Program
from tests.feed_servers.sentinel import SENTINEL, search
from tests.feed_servers.world import world
from tests.system.homes import Home

pytestmark = pytest.mark.slow


#: A job of the day and instant given, as a schedule's tick would start it.
JOB = """
import sys
from datetime import datetime
import dagster as dg
from cbi_pipeline.definitions import defs
from cbi_pipeline.defs.pipeline import Pipeline
job, instant = sys.argv[1:]
instant = datetime.fromisoformat(instant)
job = defs.resolve_job_def(job)
job.execute_in_process(
    partition_key=instant.date().isoformat() if job.partitions_def else None,
    resources={"pipeline": Pipeline(Pipeline.from_environment().settings, instant)},
    instance=dg.DagsterInstance.ephemeral(),
)
"""


@dataclass
class Morning:
    home: Home
    first: subprocess.CompletedProcess[str]
    check: subprocess.CompletedProcess[str]

    def table(self, name, where=""):
        with Warehouse(self.home.path / "warehouse").read() as store:
            return store.table(name, where)


@pytest.fixture(scope="module")
def morning(tmp_path_factory) -> Morning:
    folder = tmp_path_factory.mktemp("live")
    weeks_ago = datetime.now(UTC) - timedelta(days=40)
    with world(key=SENTINEL) as services:
        published = services.eia.publisher.events
        services.eia.publisher.events = [
            event
            for event in published
            if event[1] != "RBRTE" and (event[1] != "RNGWHHD" or event[0] < weeks_ago)
        ]
        services.cftc.traps["error_503"] = 10_000
        home = Home(
            folder / ".cbi",
            services.variables(
                folder,
                wti=("USD/bbl", "EIA.RWTC"),
                henry_hub=("USD/MMBtu", "EIA.RNGWHHD"),
                brent=("USD/bbl", "EIA.RBRTE"),
            ),
        )
        return Morning(home, home.cbi("run"), home.cbi("feeds", "check", "--offline"))


def test_the_forecast_is_issued_for_what_is_there(morning):
    issued = morning.table("issued.forecast", "track = 'live'")
    assert set(issued["commodity"]) == {"wti"}


def test_what_is_stale_or_absent_abstains_in_words(morning):
    reasons = dict(morning.table("issued.abstention").select("commodity", "reason").iter_rows())
    assert set(reasons) == {"henry_hub", "brent"}
    assert "the limit is 21 days" in reasons["henry_hub"]
    assert "no price of brent is known" in reasons["brent"]
    for words in reasons.values():
        assert words in " ".join(morning.first.stdout.split())


def test_the_dead_feed_is_told_and_the_rest_goes_on(morning):
    assert morning.first.returncode == 1
    assert "cftc: 127.0.0.1 answers 503" in morning.first.stderr
    assert (morning.home.path / "reports" / "latest.html").is_file()


def test_the_check_names_the_dead_feed_and_the_stale_price(morning):
    assert morning.check.returncode == 1
    assert "broken cftc" in morning.check.stdout
    assert "stale eia_spot_daily" in morning.check.stdout
    assert "EIA.RBRTE" in morning.check.stdout


def test_every_fault_opened_one_alert(morning):
    events = FaultLog(morning.home.path / "ledger").events()
    assert [(event.feed, event.kind) for event in events] == [
        ("eia freshness", "opened"),
        ("cftc", "opened"),
    ]


def test_the_key_stands_nowhere_in_what_was_written_or_said(morning):
    texts = {
        "run": morning.first.stdout + morning.first.stderr,
        "check": morning.check.stdout + morning.check.stderr,
    }
    assert search(morning.home.path, texts) == []
    assert (morning.home.path / "mlflow" / "mlflow.db").is_file()
    assert list((morning.home.path / "dagster").rglob("*.db"))


def test_the_night_at_its_hour_speaks_for_the_desks_whole_day(tmp_path):
    desk = datetime.now(ZONE) - timedelta(days=1)
    tick = desk.replace(hour=23, minute=15, second=0, microsecond=0)
    with world() as services:
        variables = services.variables(tmp_path, wti=("USD/bbl", "EIA.RWTC"))
        home = Home(tmp_path / ".cbi", variables)
        for job in ("ingest_eia", "nightly"):
            done = Program(JOB, (job, tick.isoformat()), home.environment).wait()
            assert done.returncode == 0, done.stderr
    with Warehouse(home.settings.warehouse_dir).read() as store:
        (spoken,) = store.table("issued.forecast", "track = 'live'")["as_of"].unique()
    assert spoken == tick.replace(hour=23, minute=0)
    assert (home.settings.reports_dir / f"morning-{tick:%Y-%m-%d}.html").is_file()
