"""What a catalogue says of an own commodity follows from its days; what does not fit is refused."""

from datetime import date, timedelta

import pytest

from cbi_pipeline.operations.propose_commodity import (
    Proposal,
    find_jump,
    name_commodity,
    propose_commodity,
    write_entry,
)
from cbi_pipeline.operations.read_own_file import Stated, Unclear, read_own_file
from tests.own_files import END, make_prices, write_csv


@pytest.fixture
def propose(tmp_path):
    def run(prices, calendar=None, labels=(), unit="USD/t", today=END) -> Proposal:
        file = read_own_file(write_csv(tmp_path / "own.csv", prices), Stated())
        return propose_commodity(
            file,
            name="Own gas",
            unit=unit,
            chosen_calendar=calendar,
            labels=labels,
            today=today,
        )

    return run


@pytest.mark.parametrize(
    ("days", "calendar", "a_year", "horizons"),
    [
        ("eia_spot_daily", "eia_spot_daily", 252, {"1w": 5, "1m": 21, "1q": 63}),
        ("london_spot_daily", "london_spot_daily", 253, {"1w": 5, "1m": 21, "1q": 63}),
        (
            "days_mon_tue_wed_thu_fri",
            "days_mon_tue_wed_thu_fri",
            261,
            {"1w": 5, "1m": 22, "1q": 65},
        ),
        ("days_mon_wed_fri", "days_mon_wed_fri", 156, {"1w": 3, "1m": 13, "1q": 39}),
        ("weekly_fri", "weekly_fri", 52, {"1w": 1, "1m": 4, "1q": 13}),
        ("monthly", "monthly", 12, {"1m": 1, "1q": 3}),
    ],
)
def test_the_days_of_a_file_say_its_calendar_and_horizons(
    propose, days, calendar, a_year, horizons
):
    commodity = propose(make_prices(days, years=8)).commodity
    assert (commodity.calendar, commodity.sessions_per_year) == (calendar, a_year)
    assert commodity.horizons == horizons
    assert commodity.liquid is ("daily" in days or "days" in days)
    assert (commodity.id, commodity.price_series) == ("own_gas", "OWN.OWN_GAS")


def test_month_ends_stand_for_their_months(propose):
    ends = {
        (month.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1): price
        for month, price in make_prices("monthly", years=8).items()
    }
    proposal = propose(ends)
    assert proposal.file.reading.monthly
    assert {day.day for day, _ in proposal.file.prices} == {1}


def test_a_named_market_is_taken_where_it_fits(propose):
    assert propose(make_prices("LSE"), calendar="LSE").commodity.calendar == "LSE"
    assert propose(make_prices("weekly_tue"), calendar="weekly").commodity.calendar == "weekly_tue"


@pytest.mark.parametrize(
    ("days", "calendar", "words"),
    [
        ("eia_spot_daily", "LSF", "no such calendar; nearest: .*LSE"),
        ("eia_spot_daily", "weekly_fri", "does not fit .* say --calendar own"),
        ("weekly_fri", "LSE", "does not fit"),
    ],
)
def test_a_calendar_that_is_none_or_does_not_fit_is_refused(propose, days, calendar, words):
    with pytest.raises(Unclear, match=words):
        propose(make_prices(days), calendar=calendar)


def test_a_hole_in_the_record_is_refused(propose):
    prices = make_prices("eia_spot_daily", years=5)
    hole = {day: price for day, price in prices.items() if (day.year, day.month) != (2024, 3)}
    with pytest.raises(Unclear, match="expects in 2024 have no price"):
        propose(hole)


def test_the_labels_of_the_others_are_taken_where_it_has_such_steps(propose):
    labels = ("1w", "2m", "1y")
    assert propose(make_prices("eia_spot_daily"), labels=labels).commodity.horizons == {
        "1w": 5,
        "2m": 42,
        "1y": 252,
    }
    with pytest.raises(Unclear, match=r"there is no 1w; .* --alone"):
        propose(make_prices("monthly", years=8), labels=labels)


def test_a_record_that_ended_long_ago_is_closed_and_forecast_from_its_end(propose):
    prices = make_prices("eia_spot_daily")
    assert propose(prices, today=END + timedelta(days=21)).commodity.record_ends is None
    closed = propose(prices, today=END + timedelta(days=22)).commodity
    assert closed.record_ends == max(prices)
    assert f"record_ends = {max(prices)}\n" in write_entry(closed)


def test_a_short_history_is_told(propose):
    words = propose(make_prices("eia_spot_daily", years=0.5)).words
    assert "too short to forecast from yet" in words[-1]
    assert "of 260 returns" in words[-1]


def test_a_unit_that_is_none_is_refused_with_the_nearest(propose):
    with pytest.raises(Unclear, match="no such unit; nearest: USD/MMBtu"):
        propose(make_prices("eia_spot_daily"), unit="USD/mmbtu")


@pytest.mark.parametrize("name", ["", "7 seas", "油", "--"])
def test_a_name_that_gives_no_id_is_refused(name):
    with pytest.raises(Unclear, match="--name"):
        name_commodity(name)


def test_a_name_becomes_an_id():
    assert name_commodity("Palmöl") == "palmol"
    assert name_commodity("Own gas (TTF), front-month") == "own_gas_ttf_front_month"


@pytest.mark.parametrize("factor", [10.0, 1000.0, 0.01, 36.7437])
def test_a_level_that_stays_changed_is_seen_and_a_spike_is_not(factor):
    prices = sorted(make_prices("eia_spot_daily").items())
    half = len(prices) // 2
    changed = [(day, price * factor) for day, price in prices[half:]]
    assert str(prices[half][0]) in (find_jump([*prices[:half], *changed]) or "")
    spike = [*prices[:half], (prices[half][0], prices[half][1] * factor), *prices[half + 1 :]]
    assert find_jump(spike) is None
    assert find_jump([*prices, (date(2026, 8, 19), -36.98)]) is None
