"""What the report reads out of a real published warehouse."""

import dataclasses
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from cbi_pipeline.commands.morning import outlooks
from cbi_pipeline.commands.summary import print_forecast
from cbi_pipeline.issued import FOUNDING_WORDS, IssuedLedger, newest_statuses
from cbi_pipeline.report import read_report
from cbi_pipeline.report.commodities import NEVER_TESTED
from cbi_pipeline.report.page import render_report
from cbi_pipeline.report.sections import data, method, model, skill, track_record
from cbi_pipeline.report.source import select_newest_version
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Warehouse
from tests.report import warehouses
from tests.report.mornings import AS_OF, HORIZONS
from tests.report.warehouses import (
    BEFORE,
    CATALOGUE,
    STEPS,
    VERSION,
    issue,
    prices,
    publish,
    records,
    tonight,
)

ARCHIVE = Settings(_env_file=None, profile="archive")
LIVE = Settings(_env_file=None, profile="live")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def morning(warehouse):
    with warehouse.read() as store:
        return read_report(store, CATALOGUE, ARCHIVE)


@pytest.fixture(scope="module")
def issued(warehouse):
    with warehouse.read() as store:
        return store.table("issued.forecast")


def test_newest_instant_is_shown_by_default_and_an_older_one_on_request(warehouse, morning):
    assert morning.as_of == AS_OF
    with warehouse.read() as store:
        assert read_report(store, CATALOGUE, ARCHIVE, as_of=BEFORE).as_of == BEFORE


def test_every_commodity_has_a_page_with_its_whole_price_record(morning):
    assert [own.id for own in morning.commodities] == list(STEPS)
    for own in morning.commodities:
        days, values = records()[own.id]
        assert own.sessions == tuple(days)
        assert own.prices == tuple(map(float, values))


def test_outlooks_are_the_issued_rows(morning, issued):
    for own in morning.commodities:
        assert tuple(one.horizon for one in own.forecasts) == HORIZONS
        for one in own.forecasts:
            rows = issued.filter(track="live", as_of=AS_OF, commodity=own.id, horizon=one.sessions)
            assert one.quantiles == dict(zip(rows["quantile"], rows["price"], strict=True))
            assert {one.target} == set(rows["target_session"])
            assert {one.up} == set(rows["up"])
            assert {own.price} == set(rows["origin_price"])


def test_target_dates_before_the_as_of_day_are_marked_passed(morning):
    oil, gasoline = morning.commodities
    assert all(one.passed for one in oil.forecasts)
    assert not any(one.passed for one in gasoline.forecasts)
    assert "historical demonstration" in str(oil.note)


def test_forecast_before_is_the_last_live_one_of_that_commodity(morning, issued):
    for own in morning.commodities:
        assert own.before is not None
        rows = issued.filter(track="live", as_of=BEFORE, commodity=own.id, quantile=0.5)
        assert own.before.as_of == BEFORE
        assert own.before.price == rows["origin_price"][0]
        assert list(own.before.medians.values()) == rows.sort("horizon")["price"].to_list()


def test_forecast_before_is_each_commoditys_own_newest_of_an_earlier_day(tmp_path):
    warehouse, later = publish(tmp_path), BEFORE + timedelta(days=1)
    same_day = AS_OF - timedelta(hours=2)
    with warehouse.write() as store:
        ledger = IssuedLedger(store, tmp_path / "issued")
        for as_of, commodities in ((later, ["gasoline_mn"]), (same_day, list(STEPS))):
            issue(ledger, store, "live", tonight(as_of, commodities, last=-2), as_of)
    warehouse.publish()
    with warehouse.read() as store:
        oil, gasoline = read_report(store, CATALOGUE, ARCHIVE, sections=()).commodities
    assert (oil.before.as_of, gasoline.before.as_of) == (BEFORE, later)


def test_track_record_holds_every_replayed_forecast_with_its_outcome(morning, issued):
    record = morning.part(track_record.SECTION)
    assert record.recipe == "prior"
    for own in morning.commodities:
        days, values = records()[own.id]
        known = dict(zip(days, map(float, values), strict=True))
        assert [len(replay.targets) for replay in record.replays[own.id]] == [30, 30, 30]
        for replay in record.replays[own.id]:
            assert list(replay.actual) == [known[target] for target in replay.targets]
            assert list(replay.targets) == sorted(replay.targets)


def test_past_forecasts_show_their_outcome_once_it_is_known(warehouse):
    with warehouse.read() as store:
        earlier = read_report(store, CATALOGUE, ARCHIVE, as_of=BEFORE)
    gasoline = earlier.commodities[1]
    # The forecast from 3 February for 10 February: that price came.
    assert gasoline.forecasts[0].target == date(2020, 2, 10)
    assert gasoline.forecasts[0].actual == float(records()["gasoline_mn"][1][-1])
    assert gasoline.forecasts[1].actual is None


def test_decision_of_the_first_version_gives_way_to_a_real_one(morning):
    assert [one.verdict for one in morning.part(model.SECTION).gate] == ["no_skill"]


def test_decisions_by_people_and_the_newest_refresh_are_told_apart_from_the_gates(morning):
    decisions = morning.part(model.SECTION)
    assert [(one.verdict, one.who) for one in decisions.by_hand] == [("promote", "ada")]
    assert decisions.refresh is not None
    assert decisions.refresh.reason == "no worse than the version before"


def test_model_card_is_the_registered_version_that_spoke(morning):
    assert morning.model is not None
    assert morning.model.fingerprint == VERSION["fingerprint"]
    assert morning.model.trained_to == BEFORE


def test_naive_forecasts_come_first_among_the_scores(morning):
    assert list(dict.fromkeys(score.recipe for score in morning.part(skill.SECTION).scores)) == [
        "climatology",
        "prior",
        "anchored_gru",
    ]


def test_data_dates_state_the_share_of_assumed_release_times(morning):
    spot, weekly = morning.part(data.SECTION).dates
    assert (spot.group, spot.newest, spot.assumed) == ("eia_spot_daily", date(2019, 1, 3), 1.0)
    assert (weekly.series, weekly.newest, weekly.assumed) == (1, date(2020, 2, 7), 0.5)
    assert weekly.basis == "calendar"


def test_open_quarantine_is_counted_by_rule_and_sampled_sparingly(morning):
    status = morning.part(data.SECTION)
    assert status.quarantined == {"not_a_number": 5, "in_the_future": 1}
    assert [row.rule for row in status.sample] == [
        "in_the_future",
        *["not_a_number"] * 3,
    ]


def test_ledger_head_is_the_newest_row(morning, issued):
    newest = issued.sort("sequence").row(-1, named=True)
    proof = morning.part(method.SECTION)
    assert (proof.issued, proof.newest_hash) == (newest["sequence"], newest["row_hash"])


def test_only_the_live_profile_goes_without_the_banner(warehouse, morning):
    assert morning.demonstration
    with warehouse.read() as store:
        assert not read_report(store, CATALOGUE, LIVE).demonstration


def test_commodity_that_abstained_says_why_and_shows_no_forecast(tmp_path):
    warehouse = publish(tmp_path, silent="wti")
    with warehouse.read() as store:
        oil, gasoline = read_report(store, CATALOGUE, ARCHIVE).commodities
    assert oil.forecasts == ()
    assert oil.abstention == "newest price is of 2019-01-03; the limit is 21 days"
    assert gasoline.forecasts
    assert gasoline.abstention is None


def test_a_newest_price_far_from_the_rest_is_marked_wherever_it_is_told(tmp_path, capsys):
    warehouse = publish(tmp_path)
    jump = (
        prices()
        .filter(commodity="wti")
        .tail(1)
        .with_columns(version=pl.lit(2, pl.Int64), price=900.0)
    )
    with warehouse.write() as store:
        store.append("market.session", jump)
    warehouse.publish()
    with warehouse.read() as store:
        morning = read_report(store, CATALOGUE, ARCHIVE)
    notes = {own.id: own.note or "" for own in morning.commodities}
    assert "unconfirmed: the value of 2019-01-03, 900 USD/bbl, is far from" in notes["wti"]
    assert "unconfirmed" not in notes["gasoline_mn"]
    told = {one["commodity"]: one["note"] for one in outlooks(morning)["commodities"]}
    assert told["wti"] == notes["wti"]
    assert "unconfirmed: the value of 2019-01-03" in render_report(morning)
    print_forecast(morning)
    assert "unconfirmed: the value of 2019-01-03" in capsys.readouterr().out


def test_target_on_the_as_of_day_itself_has_not_passed(tmp_path):
    warehouse = publish(tmp_path)
    monday_night = datetime(2020, 2, 11, 4, tzinfo=UTC)
    with warehouse.write() as store:
        spoken = tonight(monday_night, ["gasoline_mn"], last=-2)
        issue(IssuedLedger(store, tmp_path / "issued"), store, "live", spoken, monday_night)
    warehouse.publish()
    with warehouse.read() as store:
        gasoline = read_report(store, CATALOGUE, ARCHIVE, as_of=monday_night).commodities[1]
    assert gasoline.forecasts[0].target == date(2020, 2, 10)
    assert not gasoline.forecasts[0].passed


def test_modified_archive_files_are_passed_on(warehouse):
    with warehouse.read() as store:
        assert read_report(store, CATALOGUE, ARCHIVE, modified=["a.csv"]).modified == ("a.csv",)


def test_nothing_issued_is_said(tmp_path, warehouse):
    empty = Warehouse(tmp_path)
    empty.publish()
    with empty.read() as store, pytest.raises(ValueError, match="no forecast was ever issued"):
        read_report(store, CATALOGUE, ARCHIVE)
    with warehouse.read() as store, pytest.raises(ValueError, match="nothing was issued as of"):
        read_report(store, CATALOGUE, ARCHIVE, as_of=AS_OF + timedelta(days=1))


def test_a_champion_that_came_back_speaks_though_another_spoke_last(issued):
    live = issued.filter(pl.col("track") == "live", pl.col("as_of") == AS_OF)
    later = live.with_columns(model_version=pl.lit("2"), sequence=pl.col("sequence") + len(live))
    both = pl.concat([live, later])
    assert set(select_newest_version(both)["model_version"]) == {"2"}
    assert set(select_newest_version(both, "1")["model_version"]) == {"1"}
    assert set(select_newest_version(both, "3")["model_version"]) == {"2"}


@pytest.mark.slow
def test_a_report_that_was_read_renders(morning):
    assert "WTI crude oil, Cushing spot" in render_report(morning)


def test_reading_twice_gives_the_same_morning(warehouse, morning):
    with warehouse.read() as store:
        again = read_report(store, CATALOGUE, ARCHIVE)
    assert dataclasses.asdict(again) == dataclasses.asdict(morning)


def test_a_forecast_of_the_founding_model_says_so_wherever_it_is_shown(tmp_path, capsys):
    with publish(tmp_path, founding="gasoline_mn").read() as store:
        morning = read_report(store, CATALOGUE, ARCHIVE)
        statuses = {one.commodity: one for one in newest_statuses(store)}
    notes = {own.id: own.note or "" for own in morning.commodities}
    assert FOUNDING_WORDS in notes["gasoline_mn"]
    assert "founding" not in notes["wti"]
    assert morning.model_version == "1"
    told = {one["commodity"]: one["note"] for one in outlooks(morning)["commodities"]}
    assert told["gasoline_mn"] == notes["gasoline_mn"]
    assert "founding model" in render_report(morning)
    print_forecast(morning)
    assert "gasoline_mn: forecast by the founding model" in capsys.readouterr().out
    assert (statuses["gasoline_mn"].reason, statuses["wti"].reason) == (FOUNDING_WORDS, "")


def test_what_was_never_tested_says_so_wherever_it_is_shown(tmp_path, monkeypatch, capsys):
    tested = warehouses.scores().filter(pl.col("commodity") != "gasoline_mn")
    monkeypatch.setattr(warehouses, "scores", lambda: tested)
    with publish(tmp_path).read() as store:
        morning = read_report(store, CATALOGUE, ARCHIVE)
    notes = {own["commodity"]: own["note"] or "" for own in outlooks(morning)["commodities"]}
    assert NEVER_TESTED in notes["gasoline_mn"]
    assert NEVER_TESTED not in notes["wti"]
    assert NEVER_TESTED[1:] in render_report(morning)
    print_forecast(morning)
    assert f"gasoline_mn: {NEVER_TESTED}" in capsys.readouterr().out
