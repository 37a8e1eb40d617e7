"""A source of a new shape: a module, its table of series, its contract and one line each on disk.

The package is copied, the files are added to the copy, and the copy's own command is run against
a service on loopback. Nothing else of the copy is touched: what a source needs follows from them.
"""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from cbi_pipeline.defs.alerts import feed_edges
from cbi_pipeline.ingest import FaultLog
from tests.feed_servers.server import FeedServer, Reply
from tests.feed_servers.world import world
from tests.system.package_copy import Copy, copied

pytestmark = pytest.mark.slow

CONTRACT = '''
"""Tolls of the Seto ferries, monthly."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from data_contracts.family import Family
from data_contracts.release import ReleaseRule


def _fifteenth(month: date) -> datetime:
    after = (month + timedelta(days=31)).replace(day=15)
    return datetime.combine(after, time(9), ZoneInfo("Asia/Tokyo")).astimezone(UTC)


FERRY_TOLL = Family(
    name="ferry_toll",
    title="Ferry tolls",
    agency="Harbour office of Seto",
    frequency="monthly",
    weekdays=(),
    bounds={"JPY/t": (0.0, 5000.0)},
    release=ReleaseRule("ferry_fifteenth", "Asia/Tokyo", "The 15th of the next month.", _fifteenth),
    staleness=timedelta(days=80),
    revisions="never restated",
    rights="attribution",
)
'''
TABLE = '''
"""The tolls that are followed."""

from datetime import date

from cbi_pipeline.feeds.source import Series

SERIES = tuple(
    Series(
        id=f"SETO.{code}",
        code=code,
        family="ferry_toll",
        name=name,
        unit="JPY/t",
        frequency="monthly",
        group="tolls",
        since=date(2022, 1, 1),
    )
    for code, name in (("GRAIN", "Grain, per ton"), ("OIL", "Oil, per ton"))
)
'''
MODULE = '''
"""Tolls of the Seto ferries: one row for each month, one column for each ware."""

import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from cbi_pipeline.feeds.ferry_series import SERIES
from cbi_pipeline.feeds.json_body import common_refusal
from cbi_pipeline.feeds.source import PARSED_SCHEMA, Answer, Parsed, Pull, Service, Source
from cbi_pipeline.feeds.windows import windows
from data_contracts.families import family

COLUMNS = {one.code.lower(): one for one in SERIES}


class OnePage:
    def add(self, answer):
        json.loads(answer.body)
        return None


def source(base="http://127.0.0.1:9"):
    def pulls(asked, held, today):
        found = windows(asked, held, today, timedelta(days=100))
        return [
            Pull(
                f"tolls {one.kind}",
                f"{base}/tolls?from={one.first:%Y-%m}&to={one.last or today:%Y-%m}",
                tuple(series.id for series in one.series),
                one.first,
                one.last,
            )
            for one in found
        ]

    return Source(
        name="ferry",
        title="Ferry tolls",
        zone=ZoneInfo("Asia/Tokyo"),
        series=SERIES,
        pulls=pulls,
        parse=parse,
        service=Service(
            base=base,
            credential=None,
            per_second=1000,
            proof=lambda pull: OnePage(),
            refusal=lambda answer: common_refusal("ferry", answer),
            probe=f"{base}/tolls?from=2024-01&to=2024-01",
        ),
    )


def parse(answer: Answer) -> Parsed:
    rows = []
    for place, line in enumerate(json.loads(answer.body)["tolls"]):
        month = datetime.strptime(line["month"], "%b %Y").date()
        for column, one in COLUMNS.items():
            text = line[column]
            rows.append(
                {
                    "series_id": one.id,
                    "period": month,
                    "value_text": text,
                    "value": float(text.replace(",", "")),
                    "unit": one.unit,
                    "status": "value",
                    "available_at": family(one.family).release.rule(month),
                    "available_basis": "assumed",
                    "locator": f"tolls[{place}].{column}",
                    "row_json": json.dumps(line),
                }
            )
    return Parsed(pl.DataFrame(rows, schema=dict(PARSED_SCHEMA)))
'''
ENTRY = """
[feed.ferry]
module = "cbi_pipeline.feeds.ferry"
brings = "Ferry tolls"
cron = ["15 9 15 * *"]
zone = "Asia/Tokyo"
hours = "On the 15th at 09:15 in Tokyo, after the monthly release."
keep = "watched before anything reads it"
"""
GRAPH = """
from cbi_pipeline import definitions
from cbi_pipeline.defs.alerts import watched_jobs
from cbi_pipeline.operations.pipeline import Pipeline
watched = watched_jobs(Pipeline.from_environment())
job = definitions.defs().resolve_job_def("ingest_ferry")
print(sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys))
schedule = definitions.defs().resolve_schedule_def("ingest_ferry_schedule")
print(schedule.cron_schedule, schedule.execution_timezone, "ingest_ferry" in watched)
"""
DEAR = date(2024, 3, 1)


class Harbour(FeedServer):
    """Answers the tolls of the months from ``from`` to ``to``."""

    def __init__(self):
        super().__init__()
        now = datetime.now(UTC)
        months = (date(2022 + n // 12, n % 12 + 1, 1) for n in range(400))
        self.tolls = {month: 1_000 + n for n, month in enumerate(months) if _is_out(month, now)}
        self.tolls[DEAR] = 7_777

    def answer(self, asked):
        first, last = asked.one("from"), asked.one("to")
        rows = [
            {"month": f"{month:%b %Y}", "grain": f"{toll:,}.00", "oil": f"{toll / 2:.2f}"}
            for month, toll in self.tolls.items()
            if first <= f"{month:%Y-%m}" <= last
        ]
        return Reply(200, json.dumps({"tolls": rows}).encode())


def _is_out(month: date, now: datetime) -> bool:
    after = date(month.year + month.month // 12, month.month % 12 + 1, 15)
    return datetime(after.year, after.month, 15, 9, tzinfo=ZoneInfo("Asia/Tokyo")) <= now


def added(folder: Path, variables: dict[str, str]) -> Copy:
    copy = copied(folder, variables)
    (folder / "data_contracts" / "ferry.py").write_text(CONTRACT)
    (folder / "cbi_pipeline" / "feeds" / "ferry_series.py").write_text(TABLE)
    (folder / "cbi_pipeline" / "feeds" / "ferry.py").write_text(MODULE)
    with (folder / "cbi_pipeline" / "catalogue.toml").open("a") as catalogue:
        catalogue.write(ENTRY)
    copy.add_family("ferry", "FERRY_TOLL")
    return copy


def ours(copy: Copy) -> pl.DataFrame:
    return copy.table("raw.observation").filter(pl.col("series_id").str.starts_with("SETO."))


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Copy:
    """The source from its first night to its rebuilt home, what was said on the way kept."""
    folder = tmp_path_factory.mktemp("copy")
    with world() as services, Harbour() as harbour:
        variables = services.variables(folder, wti=("USD/bbl", "EIA.RWTC"))
        urls = json.loads(variables["CBI_FEED_URLS"]) | {"ferry": harbour.base}
        found = added(folder, variables | {"CBI_FEED_URLS": json.dumps(urls)})
        found.done["run"] = found.cbi("run")
        found.rows = ours(found)
        found.aside = found.table("quarantine.row").filter(feed="ferry")
        found.done["check"] = found.cbi("feeds", "check", "--offline")
        harbour.traps["error_503"] = 10_000
        found.done["dead"] = found.cbi("feeds", "pull", "ferry")
        harbour.traps.clear()
        found.done["well"] = found.cbi("feeds", "pull", "ferry")
        found.edit("data_contracts/ferry.py", "(0.0, 5000.0)", "(0.0, 9000.0)")
        found.edit(
            "data_contracts/ferry.py",
            'rights="attribution",',
            'rights="attribution", version="2.0.0",',
        )
        found.done["retry"] = found.cbi("quarantine", "retry", "--rule", "bounds")
        found.done["rebuild"] = found.cbi("rebuild")
        found.done["graph"] = found.python("-c", GRAPH)
    return found


def test_its_rows_come_with_the_night(copy):
    assert copy.done["run"].returncode == 0, copy.done["run"].stderr
    rows = copy.rows.filter(series_id="SETO.GRAIN", period=date(2022, 2, 1))
    row = rows.row(0, named=True)
    assert (row["value"], row["status"]) == (1_001.0, "value")
    assert row["available_at"] == datetime(2022, 3, 15, tzinfo=UTC)
    months = copy.rows.filter(series_id="SETO.OIL")["period"]
    assert set(months.dt.day()) == {1} and months.n_unique() == len(months) > 24


def test_the_rest_of_the_night_goes_on_as_without_it(copy):
    assert set(copy.table("issued.forecast")["commodity"]) == {"wti"}


def test_a_row_beyond_its_contract_is_set_aside_with_its_month(copy):
    row = copy.aside.row(0, named=True)
    assert len(copy.aside) == 1
    assert (row["rule"], row["series_id"], row["period"]) == ("bounds", "SETO.GRAIN", DEAR)
    assert row["value"] == "7777.0"


def test_its_health_is_told_beside_the_others(copy):
    said = copy.done["check"].stdout
    assert "ferry: key not needed, newest" in said
    assert "ferry_toll: " in said


def test_a_failure_is_told_once_and_so_is_its_end(copy):
    assert copy.done["dead"].returncode == 1
    assert "ferry: 127.0.0.1 answers 503" in " ".join(copy.done["dead"].stderr.split())
    assert copy.done["well"].returncode == 0
    events = FaultLog(copy.home / "ledger").events()
    told = [(alert.subject, alert.kind) for alert in feed_edges(events) if alert.subject == "ferry"]
    assert told == [("ferry", "opened"), ("ferry", "closed")]


def test_its_refused_row_comes_back_under_a_wider_contract(copy):
    assert "ferry: 1 rows judged again, 1 entered" in copy.done["retry"].stdout
    rows = ours(copy).filter(series_id="SETO.GRAIN", period=DEAR)
    assert rows["value"].to_list() == [7_777.0]
    assert copy.table("quarantine.row").filter(feed="ferry")["fate"].to_list() == ["accepted"]


def test_a_rebuild_gives_the_same(copy):
    assert copy.done["rebuild"].returncode == 0, copy.done["rebuild"].stderr
    assert "the same as recorded" in copy.done["rebuild"].stdout


def test_the_definitions_have_its_assets_job_schedule_and_alerts(copy):
    assert copy.done["graph"].stdout.splitlines() == [
        "['landing/ferry', 'raw/ferry']",
        "['15 9 15 * *'] Asia/Tokyo True",
    ], copy.done["graph"].stderr
