"""The live profile from the command line to the page, against services on loopback.

One service is dead, and five of the eight prices have something wrong. The key is marked.
"""

import html
import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from cbi_pipeline.defs.alerts import feed_edges
from cbi_pipeline.ingest import FaultLog
from cbi_pipeline.operations.pipeline import ZONE
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
from cbi_pipeline import definitions
from cbi_pipeline.operations.pipeline import Pipeline
job, instant = sys.argv[1:]
instant = datetime.fromisoformat(instant)
job = definitions.defs().resolve_job_def(job)
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

    def faults(self):
        return FaultLog(self.home.path / "ledger").events()

    def table(self, name, where=""):
        with Warehouse(self.home.path / "warehouse").read() as store:
            return store.table(name, where)


#: Price series of the night, and what is told of each.
PRICED = {
    "wti": ("USD/bbl", "EIA.RWTC"),
    "henry_hub": ("USD/MMBtu", "EIA.RNGWHHD"),
    "brent": ("USD/bbl", "EIA.RBRTE"),
    "gasoline_nyh": ("USD/gal", "EIA.EER_EPMRU_PF4_Y35NY_DPG"),
    "heating_oil_nyh": ("USD/gal", "EIA.EER_EPD2F_PF4_Y35NY_DPG"),
    "diesel_nyh": ("USD/gal", "EIA.EER_EPD2DXL0_PF4_Y35NY_DPG"),
    "jet_fuel_gulf": ("USD/gal", "EIA.EER_EPJK_PF4_RGC_DPG"),
    "propane_mb": ("USD/gal", "EIA.EER_EPLLPA_PF4_Y44MB_DPG"),
    "palm_oil": ("USD/t", "DESK.CPO_FOB"),
}
ABSTAIN = {
    "henry_hub": "the limit is 21 days",
    "gasoline_nyh": "is -1.63 USD/gal; a log return needs a positive price",
    "heating_oil_nyh": "is 0 USD/gal; a log return needs a positive price",
}
CANNOT = {
    "brent": "no price of brent is known: nothing was ever published to us as EIA.RBRTE",
    "propane_mb": "of the sessions of propane_mb that its calendar eia_spot_daily expects in",
}
WAIT = {"palm_oil": "`cbi feeds import csv FILE --series DESK.CPO_FOB"}
FORECAST = {"wti", "diesel_nyh", "jet_fuel_gulf"}


def ill(published: list[tuple]) -> list[tuple]:
    """The prices as a bad night finds them: five of eight commodities have something wrong."""
    weeks_ago = datetime.now(UTC) - timedelta(days=40)
    days = sorted({event[2] for event in published if event[1] == "RWTC"})
    at = {
        ("EER_EPMRU_PF4_Y35NY_DPG", days[-1]): "-1.63",
        ("EER_EPD2F_PF4_Y35NY_DPG", days[-1]): "0",
    }
    # The first price ever is negative, and one in the middle of the record.
    at[("EER_EPD2DXL0_PF4_Y35NY_DPG", days[0])] = "-0.52"
    at[("EER_EPJK_PF4_RGC_DPG", days[-120])] = "-0.52"
    kept = []
    for instant, code, day, text in published:
        hole = code == "EER_EPLLPA_PF4_Y44MB_DPG" and days[-260] < day < days[-220]
        late = code == "RNGWHHD" and instant > weeks_ago
        if not (code == "RBRTE" or hole or late):
            kept.append((instant, code, day, at.get((code, day), text)))
    return kept


@pytest.fixture(scope="module")
def morning(tmp_path_factory) -> Morning:
    folder = tmp_path_factory.mktemp("live")
    with world(key=SENTINEL) as services:
        services.eia.publisher.events = ill(services.eia.publisher.events)
        services.cftc.traps["error_503"] = 10_000
        home = Home(folder / ".cbi", services.variables(folder, **PRICED))
        return Morning(home, home.cbi("run"), home.cbi("feeds", "check", "--offline"))


def test_the_forecast_is_issued_for_what_is_there(morning):
    issued = morning.table("issued.forecast", "track = 'live'")
    assert set(issued["commodity"]) == FORECAST


def test_a_price_below_zero_in_the_middle_leaves_the_days_around_it_forecast(morning):
    rows = morning.table("features.origin", "commodity = 'jet_fuel_gulf'").sort("session")
    place = rows["price"].to_list().index(-0.52)
    assert rows["ready"][place + 1 :].all()


def test_every_other_commodity_has_its_one_true_reason(morning):
    silent = morning.table("issued.abstention")
    told = {row["commodity"]: (row["kind"], row["reason"]) for row in silent.to_dicts()}
    kinds = {"abstains": ABSTAIN, "waits": WAIT, "cannot be forecast": CANNOT}
    assert set(told) == {name for expected in kinds.values() for name in expected}
    for kind, expected in kinds.items():
        for name, words in expected.items():
            assert told[name][0] == kind
            assert words in told[name][1]


@pytest.mark.parametrize("name", [*ABSTAIN, *WAIT, *CANNOT])
def test_the_reason_is_the_same_wherever_it_is_told(morning, name):
    row = morning.table("issued.abstention", f"commodity = '{name}'").row(0, named=True)
    whole = f"{name} {row['kind']}: {row['reason']}"
    home = morning.home
    assert whole in " ".join(morning.first.stdout.split())
    assert whole in " ".join(home.cbi("forecast").stdout.split())
    told = json.loads(home.cbi("forecast", "--json").stdout)["commodities"]
    (mine,) = (one for one in told if one["commodity"] == name)
    assert (mine["status"], mine["abstention"]) == (row["kind"], row["reason"])
    page = " ".join(html.unescape((home.path / "reports" / "latest.html").read_text()).split())
    assert f'{row["reason"][1:]}. <span class="tag">{row["kind"]}</span>' in page
    doctor = [line for line in home.cbi("doctor").stdout.splitlines() if f" {name} " in line]
    mark = "fix" if name in CANNOT else "wait" if name in WAIT else "ok"
    assert doctor == [f"{mark:<4} {name:<12} {row['kind']}: {row['reason']}"]


def test_an_alert_says_the_same_words_as_the_page(morning):
    reasons = dict(morning.table("issued.abstention").select("commodity", "reason").iter_rows())
    told = {alert.subject: alert.words for alert in feed_edges(morning.faults())}
    for name in CANNOT:
        assert reasons[name] in told[f"{name} forecast"]


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
    assert [(event.feed, event.kind) for event in morning.faults()] == [
        ("eia freshness", "opened"),
        ("cftc", "opened"),
        ("brent forecast", "opened"),
        ("propane_mb forecast", "opened"),
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
