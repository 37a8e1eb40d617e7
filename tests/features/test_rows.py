"""Rows are built once, night by night, and say plainly what is absent."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.features import Rows, side_by_side
from cbi_pipeline.features.feature_sets import CORE_1
from data_contracts.families import family
from tests.features.detector import END, Record, fingerprint
from tests.features.records import CATALOGUE, built, observations, prices, rows_of
from tests.features.worlds import MONTHLY, START, WEEKLY, WTI, world


@pytest.fixture(scope="module")
def shipped() -> Record:
    return Record(observations())


def build(observed: pl.DataFrame, as_of: datetime = END) -> pl.DataFrame:
    return rows_of(prices(observed), observed, as_of)


def masked(rows: pl.DataFrame, name: str) -> pl.Series:
    return rows.get_column(name).is_not_null()


def is_empty(rows: Rows) -> bool:
    return all(frame.is_empty() for frame in (rows.origins, *rows.groups.values()))


@given(seed=st.integers(0, 10_000), nights=st.lists(st.integers(1, 400), min_size=1, max_size=4))
@settings(max_examples=4, deadline=None)
def test_nightly_runs_on_a_growing_record_equal_one_run_over_the_final_record(seed, nights):
    observed, stored = world(seed, weeks=60, revisions=40), Rows.nothing(CORE_1)
    for night in [START + timedelta(days=day) for day in sorted(nights)] + [END]:
        known = observed.filter(pl.col("available_at") <= night)
        stored = stored.and_also(built(prices(known), known, night, stored))
    assert fingerprint(side_by_side(stored)) == fingerprint(build(observed))


@pytest.mark.slow
def test_a_second_run_on_the_same_night_adds_nothing(shipped):
    stored = built(shipped.prices, shipped.observations, END)
    assert is_empty(built(shipped.prices, shipped.observations, END, stored))


def test_a_row_once_built_is_not_rebuilt_when_its_price_is_corrected(shipped):
    after = datetime(2019, 2, 1, tzinfo=UTC)
    corrected = shipped.prices.filter(pl.col("commodity") == "wti").tail(3)
    corrected = corrected.with_columns(
        price=pl.col("price") * 1.1,
        version=pl.col("version") + 1,
        available_at=pl.lit(after).cast(pl.Datetime("us", "UTC")),
    )
    all_prices = pl.concat([shipped.prices, corrected])
    stored = built(shipped.prices, shipped.observations, END)
    assert is_empty(built(all_prices, shipped.observations, END, stored))


def test_a_session_published_after_a_later_one_was_decided_on_gets_no_row():
    observed = world(5, weeks=30, revisions=0)
    late = observed.filter(series_id=WTI).row(40, named=True)["period"]
    delay = pl.when((pl.col("series_id") == WTI) & (pl.col("period") == late)).then(
        pl.duration(days=30)
    )
    delayed = observed.with_columns(pl.col("available_at") + delay.otherwise(pl.duration()))
    rows = build(delayed).filter(commodity="wti")
    assert late not in rows["session"].to_list()
    assert rows["decision_at"].is_sorted()


def test_rows_come_in_order_of_decision_within_a_commodity(shipped):
    for own in shipped.rows.partition_by("commodity"):
        assert own["session"].is_sorted()
        assert own["decision_at"].is_sorted()


@pytest.mark.parametrize(
    ("series", "feature"), [(WEEKLY, "stocks_change_4"), (MONTHLY, "petroleum_use_year")]
)
def test_a_driver_is_absent_once_it_is_stale_and_not_before(shipped, series, feature):
    rows = shipped.rows.filter(commodity="gasoline_mn")
    group = "weekly" if series is WEEKLY else "monthly"
    cut = datetime(2018, 1, 3, tzinfo=UTC)
    observed = shipped.observations.filter(
        ~pl.col("series_id").is_in(list(series)) | (pl.col("available_at") <= cut)
    )
    rows = rows_of(shipped.prices, observed, END)
    rows = rows.filter(commodity="gasoline_mn").filter(pl.col("decision_at") > cut)
    age = rows[f"age_{group}"]
    limit = family("eia_wpsr" if series is WEEKLY else "eia_mer_monthly").staleness
    fresh = age <= limit / timedelta(days=1)
    assert fresh.any()
    assert not fresh.all()
    assert masked(rows, feature).to_list() == fresh.to_list()


def test_the_newest_weekly_report_is_used_from_its_release_on(shipped):
    wti = shipped.rows.filter(commodity="wti").tail(200)
    age = wti["age_weekly"]
    assert age.min() > 0
    assert age.max() < 8.6


def test_a_report_counts_from_the_very_instant_of_the_decision_and_not_a_moment_later():
    observed = world(4, weeks=30, revisions=0)
    rows = build(observed).filter(commodity="gasoline_mn")
    decision = rows["decision_at"][20]
    report = observed.filter(series_id=WEEKLY[0]).filter(pl.col("available_at") > decision)
    seen = []
    for moment in (decision, decision + timedelta(microseconds=1)):
        moved = report.head(1).with_columns(
            available_at=pl.lit(moment).cast(pl.Datetime("us", "UTC"))
        )
        rest = observed.join(report.head(1), on=["series_id", "period"], how="anti")
        again = build(pl.concat([rest, moved])).filter(commodity="gasoline_mn")
        seen.append(again["stocks_change_1"][20])
    assert seen[0] != rows["stocks_change_1"][20]
    assert seen[1] == rows["stocks_change_1"][20]


def test_the_other_price_is_absent_after_its_record_ended(shipped):
    gasoline = shipped.rows.filter(commodity="gasoline_mn").filter(
        pl.col("decision_at") > datetime(2019, 3, 1, tzinfo=UTC)
    )
    assert not masked(gasoline, "other_return_week").any()
    assert not masked(gasoline, "margin").any()
    assert masked(gasoline, "return_5").all()


def test_monthly_balances_are_absent_before_their_first_dated_issue(shipped):
    first_issue = datetime(2017, 6, 29, 3, 59, tzinfo=UTC)
    present = shipped.rows.filter(masked(shipped.rows, "petroleum_use_year"))
    assert present["decision_at"].min() > first_issue
    assert present["decision_at"].min() < first_issue + timedelta(days=8)


def test_a_row_is_ready_after_a_year_of_daily_or_two_of_weekly_returns(shipped):
    for name, returns in (("wti", 260), ("gasoline_mn", 104)):
        ready = shipped.rows.filter(commodity=name)["ready"]
        assert ready.arg_true()[0] == returns
        assert ready[returns:].all()


def test_variances_are_those_of_the_log_returns_so_far(shipped):
    own = shipped.rows.filter(commodity="gasoline_mn")
    squares = np.diff(np.log(own["price"].to_numpy())) ** 2
    weights = 0.97 ** np.arange(squares.size)[::-1]
    assert own["variance_long"][-1] == pytest.approx(squares.mean(), rel=1e-12)
    assert own["variance_ewma"][-1] == pytest.approx(np.average(squares, weights=weights))


def test_a_catalogue_of_one_commodity_has_the_same_columns_with_the_other_price_absent(shipped):
    alone = CATALOGUE.model_copy(update={"commodities": CATALOGUE.commodities[1:]})
    rows = rows_of(shipped.prices, shipped.observations, END, catalogue=alone)
    both = shipped.rows.filter(commodity="gasoline_mn")
    assert not masked(rows, "margin").any()
    assert masked(rows, "return_5").to_list() == masked(both, "return_5").to_list()
    assert rows["variance_long"].to_list() == both["variance_long"].to_list()


def test_the_share_of_assumed_release_times_is_stated_by_group():
    def shares(observed: pl.DataFrame) -> list[float]:
        groups = built(prices(observed), observed, END).groups
        return [frame["assumed"].max() for frame in groups.values()]

    observed = world(2, weeks=40)
    assert shares(observed.with_columns(available_basis=pl.lit("stamp"))) == [0] * 4
    assert max(shares(observed.with_columns(available_basis=pl.lit("assumed")))) == 1


def test_two_periods_of_a_weekly_series_in_one_week_are_refused():
    observed = world(1, weeks=10, revisions=0)
    extra = observed.filter(series_id=WEEKLY[0]).head(1)
    extra = extra.with_columns(period=pl.col("period") - timedelta(days=1))
    with pytest.raises(ValueError, match="one week or month"):
        build(pl.concat([observed, extra]))
