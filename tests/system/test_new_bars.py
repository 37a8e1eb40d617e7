"""A source of bars: a module, its table of series, its contract and one line each on disk.

As for a source of values, nothing else of the copied package is touched.
"""

import json
from datetime import UTC, date, datetime, timedelta
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
"""Rice at the quay of Osaka, hourly."""

from datetime import timedelta

from data_contracts.family import Family
from data_contracts.shape import Shape

QUAY_RICE = Family(
    name="quay_rice",
    title="Rice at the quay, hourly",
    agency="Quay of Osaka",
    frequency="daily",
    weekdays=(1, 2, 3, 4, 5, 6, 7),
    bounds={"JPY/kg": (-100.0, 1000.0)},
    release=None,
    staleness=timedelta(days=7),
    revisions="single bars are corrected for a month",
    rights="attribution",
    shape=Shape(scale_limit=20.0),
)
'''
TABLE = '''
"""The instruments that are followed."""

from datetime import UTC, datetime, timedelta

from cbi_pipeline.feeds.source import Series

SERIES = tuple(
    Series(
        id=f"QUAY.{code}.1h",
        code=code,
        family="quay_rice",
        name=name,
        unit="JPY/kg",
        frequency="daily",
        group="candles",
        since=datetime.now(UTC).date() - timedelta(days=40),
        dimensions={"dataset": "QUAY", "instrument": code, "width": "1h"},
    )
    for code, name in (("LONG", "Long grain"), ("ROUND", "Round grain"))
)
'''
MODULE = '''
"""Candles of the quay: a list for each instrument, dated by the clock of Osaka."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl

from cbi_pipeline.feeds.json_body import common_refusal
from cbi_pipeline.feeds.quay_series import SERIES
from cbi_pipeline.feeds.source import Answer, Parsed, Pull, Service, Source
from cbi_pipeline.feeds.windows import windows
from data_contracts.versioned import BARS

ZONE = ZoneInfo("Asia/Tokyo")
UNDEFINED = 2**63 - 1


class OnePage:
    def add(self, answer):
        json.loads(answer.body)
        return None


def source(base="http://127.0.0.1:9"):
    def pulls(asked, held, today):
        found = windows(asked, held, today, timedelta(days=5))
        return [
            Pull(
                f"candles {one.kind}",
                f"{base}/candles?from={one.first}&to={one.last or today}",
                tuple(series.id for series in one.series),
                one.first,
                one.last,
            )
            for one in found
        ]

    return Source(
        name="quay",
        title="Rice at the quay",
        zone=ZONE,
        series=SERIES,
        pulls=pulls,
        parse=parse,
        table=BARS,
        service=Service(
            base=base,
            credential=None,
            per_second=1000,
            proof=lambda pull: OnePage(),
            refusal=lambda answer: common_refusal("quay", answer),
            probe=f"{base}/candles?from=2024-01-01&to=2024-01-01",
        ),
    )


def parse(answer: Answer) -> Parsed:
    rows = []
    for one in SERIES:
        for place, (when, *prices, volume) in enumerate(json.loads(answer.body)[one.code]):
            start = datetime.strptime(when, "%d/%m/%Y %H:%M").replace(tzinfo=ZONE).astimezone(UTC)
            numbers = [None if price == UNDEFINED else _nano(price) for price in prices]
            rows.append(
                {
                    "series_id": one.id,
                    "ts_event": start,
                    **dict(zip(("open", "high", "low", "close"), numbers, strict=True)),
                    "volume": volume,
                    "unit": one.unit,
                    "status": "value",
                    "available_at": start + timedelta(hours=1),
                    "available_basis": "assumed",
                    "locator": f"{one.code}[{place}]",
                    "row_json": json.dumps([when, *prices, volume]),
                }
            )
    return Parsed(pl.DataFrame(rows, schema=BARS.parsed.dtypes))


def _nano(price):
    return int(Decimal(str(price)) * 10**9)
'''
ENTRY = """
[feed.quay]
module = "cbi_pipeline.feeds.quay"
brings = "Rice at the quay"
cron = ["15 18 * * *"]
zone = "Asia/Tokyo"
hours = "Every day at 18:15 in Osaka, after the last candle."
keep = "watched before anything reads it"
"""
GRAPH = """
from dagster import AssetKey
from cbi_pipeline import definitions
from cbi_pipeline.defs.alerts import watched_jobs
from cbi_pipeline.operations.pipeline import Pipeline
watched = watched_jobs(Pipeline.from_environment())
job = definitions.defs().resolve_job_def("ingest_quay")
print(sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys))
schedule = definitions.defs().resolve_schedule_def("ingest_quay_schedule")
print(schedule.cron_schedule, schedule.execution_timezone, "ingest_quay" in watched)
columns = job.asset_layer.get(AssetKey(["raw", "quay"])).metadata["dagster/column_schema"]
print([column.name for column in columns.columns][:5])
"""
ZONE = ZoneInfo("Asia/Tokyo")
UNDEFINED = 2**63 - 1
TODAY = datetime.now(UTC).date()
#: Days on which one bar each breaks a rule: its price is undefined, its price is beyond bounds.
ABSENT, DEAR = TODAY - timedelta(days=9), TODAY - timedelta(days=7)


def hour(day: date, number: int) -> datetime:
    return datetime(day.year, day.month, day.day, number, tzinfo=UTC)


class Quay(FeedServer):
    """Answers the candles of the days from ``from`` to ``to``, five hours a day."""

    def __init__(self):
        super().__init__()
        days = [TODAY - timedelta(days=back) for back in range(39, 0, -1)]
        self.candles = {
            hour(day, number): [300.5, 302, 299, 301.25, 1000 + number]
            for day in days
            for number in range(5)
        }
        self.candles[hour(ABSENT, 2)] = [UNDEFINED, UNDEFINED, UNDEFINED, UNDEFINED, 0]
        self.candles[hour(DEAR, 2)] = [300, 1500, 299, 301, 3]

    def answer(self, asked):
        first, last = (date.fromisoformat(asked.one(name)) for name in ("from", "to"))
        rows = [
            [f"{start.astimezone(ZONE):%d/%m/%Y %H:%M}", *numbers]
            for start, numbers in self.candles.items()
            if first <= start.date() <= last
        ]
        # Batches overlap: the first candle comes twice, in equal rows.
        rows = [*rows[:1], *rows]
        calm = [[when, 200, 201, 199, 200.5, 5] for when, *_ in rows[1:]]
        return Reply(200, json.dumps({"LONG": rows, "ROUND": calm}).encode())


def bars(copy: Copy) -> pl.DataFrame:
    return copy.table("raw.bar").filter(instrument="LONG")


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Copy:
    """The source from its first night to its rebuilt home, what was said on the way kept."""
    folder = tmp_path_factory.mktemp("copy")
    with world() as services, Quay() as quay:
        variables = services.variables(folder, wti=("USD/bbl", "EIA.RWTC"))
        urls = json.loads(variables["CBI_FEED_URLS"]) | {"quay": quay.base}
        found = copied(folder, variables | {"CBI_FEED_URLS": json.dumps(urls)})
        (folder / "data_contracts" / "quay.py").write_text(CONTRACT)
        (folder / "cbi_pipeline" / "feeds" / "quay_series.py").write_text(TABLE)
        (folder / "cbi_pipeline" / "feeds" / "quay.py").write_text(MODULE)
        with (folder / "cbi_pipeline" / "catalogue.toml").open("a") as catalogue:
            catalogue.write(ENTRY)
        found.add_family("quay", "QUAY_RICE")
        found.done["run"] = found.cbi("run")
        found.rows = bars(found)
        found.aside = found.table("quarantine.row").filter(feed="quay")
        found.done["check"] = found.cbi("feeds", "check", "--offline")
        found.done["list"] = found.cbi("data", "series", "--json")
        quay.traps["error_503"] = 10_000
        found.done["dead"] = found.cbi("feeds", "pull", "quay")
        quay.traps.clear()
        quay.candles[hour(TODAY - timedelta(days=2), 1)] = [300.5, 303, 299, 302.75, 1001]
        found.done["well"] = found.cbi("feeds", "pull", "quay")
        found.edit("data_contracts/quay.py", "(-100.0, 1000.0)", "(-100.0, 2000.0)")
        found.edit(
            "data_contracts/quay.py",
            'rights="attribution",',
            'rights="attribution", version="2.0.0",',
        )
        found.done["retry"] = found.cbi("quarantine", "retry", "--rule", "bounds")
        found.done["rebuild"] = found.cbi("rebuild")
        found.done["graph"] = found.python("-c", GRAPH)
    return found


def test_its_bars_come_with_the_night(copy):
    assert copy.done["run"].returncode == 0, copy.done["run"].stderr
    start = hour(TODAY - timedelta(days=20), 3)
    row = copy.rows.filter(ts_event=start).row(0, named=True)
    assert (row["dataset"], row["instrument"], row["width"]) == ("QUAY", "LONG", "1h")
    assert (row["open"], row["close"], row["volume"]) == (300_500_000_000, 301_250_000_000, 1003)
    assert (row["available_at"], row["version"]) == (start + timedelta(hours=1), 1)
    assert len(copy.rows) == 39 * 5 - 2


def test_the_rest_of_the_night_goes_on_as_without_it(copy):
    assert set(copy.table("issued.forecast")["commodity"]) == {"wti"}


def test_a_bar_that_comes_twice_is_counted_once(copy):
    first = copy.table("ledger.txn").filter(feed="quay").row(0, named=True)
    assert first["duplicates"] == 1
    assert first["accepted"] == 39 * 5 - 2 + 39 * 5


def test_bars_that_break_their_contract_are_set_aside_with_reason_and_day(copy):
    aside = copy.aside.sort("period").select("rule", "series_id", "period", "column_name").rows()
    assert aside == [
        ("value_readable", "QUAY.LONG.1h", ABSENT, "close"),
        ("bounds", "QUAY.LONG.1h", DEAR, "high"),
    ]


def test_its_health_is_told_beside_the_others(copy):
    said = copy.done["check"].stdout
    assert f"quay: key not needed, newest {TODAY - timedelta(days=1)}" in said
    assert "quay_rice: " in said
    newest = {row["series"]: row["newest"] for row in json.loads(copy.done["list"].stdout)}
    assert newest["QUAY.LONG.1h"] == str(TODAY - timedelta(days=1))


def test_a_failure_is_told_once_and_so_is_its_end(copy):
    assert copy.done["dead"].returncode == 1
    assert "quay: 127.0.0.1 answers 503" in " ".join(copy.done["dead"].stderr.split())
    assert copy.done["well"].returncode == 0
    events = FaultLog(copy.home / "ledger").events()
    told = [(alert.subject, alert.kind) for alert in feed_edges(events) if alert.subject == "quay"]
    assert told == [("quay", "opened"), ("quay", "closed")]


def test_a_corrected_bar_is_a_further_version(copy):
    rows = bars(copy).filter(ts_event=hour(TODAY - timedelta(days=2), 1))
    assert rows["close"].to_list() == [301_250_000_000, 302_750_000_000]
    assert rows["available_basis"].to_list() == ["assumed", "first_seen"]


def test_its_refused_bar_comes_back_under_a_wider_contract(copy):
    assert "quay: 1 rows judged again, 1 entered" in copy.done["retry"].stdout
    rows = bars(copy).filter(ts_event=hour(DEAR, 2))
    assert rows["high"].to_list() == [1_500_000_000_000]
    fates = copy.table("quarantine.row").filter(feed="quay").sort("period")["fate"]
    assert fates.to_list() == ["open", "accepted"]


def test_a_rebuild_gives_the_same(copy):
    assert copy.done["rebuild"].returncode == 0, copy.done["rebuild"].stderr
    assert "the same as recorded" in copy.done["rebuild"].stdout


def test_the_definitions_have_its_assets_job_schedule_alerts_and_columns(copy):
    assert copy.done["graph"].stdout.splitlines() == [
        "['landing/quay', 'raw/quay']",
        "['15 18 * * *'] Asia/Tokyo True",
        "['series_id', 'dataset', 'instrument', 'width', 'ts_event']",
    ], copy.done["graph"].stderr
