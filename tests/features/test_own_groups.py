"""Groups of a commodity's own data: its contract's positions, its stocks, its storage."""

import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.features import FeatureSet, find_groups, series_read
from cbi_pipeline.features.expressions import Expression, Operation
from cbi_pipeline.features.group import Column, Group, Report
from cbi_pipeline.feeds import Answer, cftc
from cbi_pipeline.ingest import live_feeds
from cbi_pipeline.settings import Settings
from tests.features.detector import END, Record, decided, fingerprint, notices
from tests.features.oracle import Oracle
from tests.features.records import as_observations, rows_of
from tests.features.worlds import (
    COLUMNS,
    EPOCH,
    OWN_CATALOGUE,
    OWN_SET,
    REPORT,
    START,
    STOCKS,
    STORAGE,
    own_world,
)
from tests.feed_servers.cftc_server import report_row

OWN = [column.name for group in OWN_SET.read[4:] for column in group.columns]
POSITIONS = find_groups()["positions"]


def own_rows(record: Record, feature_set: FeatureSet = OWN_SET) -> pl.DataFrame:
    given = {"catalogue": OWN_CATALOGUE, "feature_set": feature_set}
    return rows_of(record.prices, record.observations, record.end, **given)


def own_study(record: Record, instant: datetime) -> str:
    return fingerprint(decided(own_rows(record), instant))


@given(seed=st.integers(0, 10_000))
@settings(max_examples=4, deadline=None)
@pytest.mark.slow
def test_rows_of_a_revised_record_equal_the_obvious_construction(seed):
    record = Record(own_world(seed))
    rows = own_rows(record).filter(commodity="wti")
    oracle = Oracle(record.observations, OWN_CATALOGUE, OWN_SET)
    picked = np.random.default_rng(seed).choice(len(rows), 12, replace=False)
    for row in rows[sorted(picked.tolist())].iter_rows(named=True):
        session = (row["session"] - EPOCH.date()).days
        assert row == oracle.row(OWN_CATALOGUE.commodity("wti"), session)


def test_every_column_of_the_groups_has_values_and_another_commodity_has_none():
    rows = own_rows(Record(own_world(3)))
    present = rows.group_by("commodity").agg(pl.col(OWN).is_not_null().any())
    assert not any(present.filter(commodity="gasoline_mn").drop("commodity").row(0))
    absent = {name for name in OWN if not present.filter(commodity="wti")[name][0]}
    assert absent == {name for name in OWN if name.startswith("own_demand")}


@given(
    record=st.integers(0, 10_000),
    days=st.floats(300, 1100),
    seed=st.integers(0, 10_000),
    series=st.sampled_from([(), COLUMNS, (STOCKS, STORAGE)]),
)
@settings(max_examples=6, deadline=None)
@pytest.mark.slow
def test_nothing_decided_depends_on_what_came_later(record, days, seed, series):
    instant = START + timedelta(days=days)
    assert not notices(own_study, Record(own_world(record)), instant, seed, series)


def test_a_report_that_is_read_a_week_ahead_is_caught():
    source = Report("contract", "", "week", "cftc_disaggregated")
    ahead = Operation("next of {0}", lambda values: np.append(values[1:], np.nan))
    column = Column("ahead", "1", Expression(ahead, (source.column("open_interest_all"),)), "")
    leaky = FeatureSet("leaky", (Group("positions", "", (column,)),))

    def study(record: Record, instant: datetime) -> str:
        return fingerprint(decided(own_rows(record, leaky), instant))

    record, instants = Record(own_world(1)), [START + timedelta(days=d) for d in (400, 600, 800)]
    assert sum(notices(study, record, at, seed) for seed, at in enumerate(instants)) >= 2


def positions_of(*tuesdays: date) -> pl.DataFrame:
    """Reports of a contract as the CFTC's feed dates them."""
    rows = [
        {
            **report_row("disaggregated", 100_000 + 1000 * number),
            cftc.DATE: f"{day}T00:00:00.000",
            cftc.CODE: "067651",
        }
        for number, day in enumerate(tuesdays)
    ]
    url = f"{cftc.BASE}/resource/72hh-3qpy.json"
    feed = cftc.source()
    parsed = feed.parse(Answer(url, 200, {}, json.dumps(rows).encode())).frame
    renamed = pl.col("series_id").str.replace("CFTC.disaggregated.067651", REPORT, literal=True)
    return as_observations(parsed.with_columns(renamed))


@pytest.mark.parametrize(
    ("tuesday", "released"),
    [
        (date(2019, 6, 4), datetime(2019, 6, 7, 19, 30, tzinfo=UTC)),
        (date(2018, 12, 31), datetime(2019, 2, 5, 20, 30, tzinfo=UTC)),
    ],
)
def test_tuesdays_positions_are_known_from_their_release_on(tuesday, released):
    before = [tuesday - timedelta(days=7 * week) for week in range(40, 0, -1)]
    weekdays = pl.date_range(before[0], released.date() + timedelta(days=9), eager=True)
    prices = pl.DataFrame({"period": weekdays.filter(weekdays.dt.weekday() < 6)}).select(
        pl.lit("EIA.RWTC").alias("series_id"),
        "period",
        available_at=pl.col("period").cast(pl.Datetime("us", "UTC")) + pl.duration(hours=30),
        available_basis=pl.lit("stamp"),
        value=50.0 + pl.col("period").dt.day(),
        status=pl.lit("value"),
    )
    seen = [
        own_rows(Record(pl.concat([as_observations(prices), positions_of(*days)]), END))
        .filter(commodity="wti")
        .select("decision_at", *(column.name for column in POSITIONS.columns))
        for days in (before, [*before, tuesday])
    ]
    other = seen[0].filter((seen[0] != seen[1]).sum_horizontal() > 0)["decision_at"]
    assert other.min() == datetime.combine(
        released.date() + timedelta(days=1), datetime.min.time(), UTC
    ) + timedelta(hours=3 if released.month == 6 else 4)


def test_every_report_that_a_shipped_market_reads_has_these_columns(tmp_path):
    catalogue = load_catalogue(profile="live")
    feeds = live_feeds(Settings(_env_file=None, home=tmp_path, profile="live"))
    brought = {one.id for feed in feeds.values() for one in feed.series}
    assert {one for one in series_read(catalogue) if one.startswith("CFTC.")} <= brought
