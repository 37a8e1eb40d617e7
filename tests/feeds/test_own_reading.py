"""Dates, numbers and releases are read as they are written, or not at all."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbi_pipeline.feeds import csv_import
from cbi_pipeline.feeds.own_reading import Reading, read_day
from cbi_pipeline.feeds.own_release import read_release

DAYS = st.dates(date(1950, 1, 1), date(2090, 12, 31))
WRITTEN = {
    "iso": ("%Y-%m-%d",),
    "ymd": ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y-%m-%d 00:00:00", "%d-%b-%Y"),
    "dmy": ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d %B %Y", "%b %d, %Y"),
    "mdy": ("%m/%d/%Y", "%m-%d-%Y", "%m/%d/%Y 00:00", "%B %d, %Y"),
}
FORMS = [(order, form) for order, forms in WRITTEN.items() for form in forms]


@pytest.mark.parametrize(("order", "form"), FORMS)
@given(day=DAYS)
def test_a_date_is_read_as_it_was_written(order, form, day):
    assert read_day(day.strftime(form), order) == day


@pytest.mark.parametrize("form", ["%Y-%m", "%YM%m", "%m/%Y", "%b %Y", "%B-%Y"])
@given(day=DAYS)
def test_a_month_is_read_as_its_first_day(form, day):
    assert read_day(day.strftime(form), "ymd") == day.replace(day=1)


@given(text=st.text(alphabet="0123456789-/. aJMn²,", max_size=14))
def test_what_is_no_date_is_none_and_never_an_error(text):
    for order in WRITTEN:
        day = read_day(text, order)
        assert day is None or str(day.year) in text


@pytest.mark.parametrize("text", ["01/02/20", "2020-13-01", "31/02/2020", "32", "", "x", "²020"])
def test_what_names_no_day_is_none(text):
    assert read_day(text, "dmy") is None


@given(cents=st.integers(-(10**9), 10**9))
def test_a_number_is_read_with_either_mark(cents):
    value = cents / 100
    points, commas = Reading(order="ymd"), Reading(order="ymd", decimal=",")
    swapped = f"{value:,.2f}".translate(str.maketrans(",.", ".,"))
    assert points.read_number(f"{value:,.2f}") == points.read_number(f"{value:.2f}") == value
    assert commas.read_number(swapped) == commas.read_number(f"{value:.2f}".replace(".", ","))
    assert commas.read_number(swapped) == value


@pytest.mark.parametrize("text", ["1.5", "1,5,0", "12,34,567", "1 2", "abc", "1,2.3"])
def test_a_number_with_the_other_mark_is_none(text):
    assert Reading(decimal=",").read_number(text) is None


@given(period=st.dates(date(1990, 1, 1), date(2090, 1, 1)))
def test_a_release_follows_its_period(period):
    business = read_release("next business day 18:00 America/New_York").date_period(period)
    local = business.astimezone(ZoneInfo("America/New_York"))
    assert local.time() == time(18, 0)
    assert local.weekday() < 5
    assert 1 <= (local.date() - period).days <= 3
    wednesday = read_release("next wednesday 10:30 Europe/London").date_period(period)
    assert wednesday.astimezone(ZoneInfo("Europe/London")).weekday() == 2
    assert 1 <= (wednesday.date() - period).days <= 7


@pytest.mark.parametrize(
    ("words", "released"),
    [
        ("same day 17:30 Europe/London", datetime(2026, 8, 14, 16, 30)),
        ("next day 09:00 UTC", datetime(2026, 8, 15, 9)),
        ("Next Business Day  9:00 UTC", datetime(2026, 8, 17, 9)),
        ("3 business days later 15:30 America/New_York", datetime(2026, 8, 19, 19, 30)),
        ("35 days later 00:00 UTC", datetime(2026, 9, 18)),
        ("next friday 12:00 UTC", datetime(2026, 8, 21, 12)),
        ("day 5 of next month 12:00 UTC", datetime(2026, 9, 5, 12)),
    ],
)
def test_a_release_is_when_its_words_say(words, released):
    assert read_release(words).date_period(date(2026, 8, 14)) == released.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "words",
    ["", "tomorrow", "next day", "next day 25:00 UTC", "next day 9:00 Nowhere", "soon 9:00 UTC"],
)
def test_words_that_say_no_release_are_refused(words):
    with pytest.raises(ValueError, match="release"):
        read_release(words)


READINGS = st.builds(
    Reading,
    kind=st.sampled_from(["csv", "xlsx", "parquet"]),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    date_column=st.sampled_from(["Date", "Tag & Monat", "период"]),
    price_column=st.sampled_from(["Price=", "€/t"]),
    order=st.sampled_from(["iso", "ymd", "dmy", "mdy"]),
    decimal=st.sampled_from([".", ","]),
    monthly=st.booleans(),
    release=st.sampled_from(["", "next day 09:00 UTC"]),
)


@given(reading=READINGS)
def test_a_reading_is_the_same_behind_an_address(reading):
    from urllib.parse import parse_qs, urlsplit

    url = csv_import.address("a b.csv", "OWN.X", "USD/t", "desk", reading)
    stated = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    assert Reading.from_query(stated) == reading


def test_the_plain_form_states_nothing_more_than_before():
    url = csv_import.address("a.csv", "OWN.X", "USD/t", "desk")
    assert url == "csv://a.csv?series=OWN.X&unit=USD%2Ft&source=desk"


def test_a_value_is_public_as_rule_or_column_say():
    body = b"d;p;seen\n31.12.2019;1,5;2020-01-03 10:00\n02.01.2020;-2;2020-01-04\n"
    plain = {"separator": ";", "date_column": "d", "price_column": "p"}
    by_column = Reading(**plain, order="dmy", decimal=",", vintage_column="seen")
    by_rule = Reading(**plain, order="dmy", decimal=",", release="next day 09:00 UTC")
    frames = [
        csv_import.parse(csv_import.address("x", "OWN.X", "USD/t", "desk", reading), body).frame
        for reading in (by_column, by_rule)
    ]
    assert frames[0]["value"].to_list() == [1.5, -2.0]
    assert frames[0]["available_at"].to_list() == [
        datetime(2020, 1, 3, 10, tzinfo=UTC),
        datetime(2020, 1, 4, 23, 59, tzinfo=UTC),
    ]
    assert frames[1]["available_at"].to_list() == [
        datetime.combine(day, time(9), UTC) + timedelta(days=1)
        for day in (date(2019, 12, 31), date(2020, 1, 2))
    ]
