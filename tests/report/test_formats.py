"""How numbers and dates are written."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.report import formats

PRICES = st.floats(0.001, 1e6)


def plain(text: str) -> float:
    """Read a written number back."""
    return float(text.replace(",", "").replace(formats.MINUS, "-").rstrip(f"%{formats.NARROW}"))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (46.92, "USD/bbl", "46.92"),
        (-36.98, "USD/bbl", "\u221236.98"),
        (1234.5, "USD/bbl", "1,234.50"),
        (2.5, "USD/gal", "2.500"),
        (0.0067123, "USD/JPY", "0.006712"),
        (1042.25, "cents/bu", "1,042"),
        (-0.001, "USD/bbl", "0.00"),
        (0.0, "index", "0.00"),
    ],
)
def test_price_keeps_the_decimals_of_its_market(value, unit, text):
    assert formats.price(value, unit) == text


INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


@settings(deadline=None)
@given(value=PRICES, unit=st.sampled_from(["USD/bbl", "USD/gal", "JPY"]))
def test_written_price_is_the_price_to_its_last_digit(value, unit):
    text = formats.price(value, unit)
    decimals = len(text.partition(".")[2])
    assert abs(plain(text) - value) <= 0.5 * 10**-decimals * (1 + 1e-9)


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "+0.50"), (-0.5, "\u22120.50"), (0.001, "0.00"), (-0.001, "0.00")]
)
def test_change_shows_its_sign_unless_it_rounds_to_nothing(value, text):
    assert formats.change(value, "USD/bbl", 50.0) == text


def test_change_keeps_the_decimals_of_the_price_it_belongs_to():
    assert formats.change(0.0012345, "JPY", 150.0) == "0.0"


@settings(deadline=None)
@given(share=st.floats(-2, 2))
def test_percentages_read_back(share):
    assert plain(formats.percent(share, 1)) == pytest.approx(100 * share, abs=0.0501)
    assert plain(formats.signed_percent(share)) == pytest.approx(100 * share, abs=0.0501)


def test_dates_and_instants_are_the_desks():
    late = datetime(2020, 2, 13, 4, 0, tzinfo=UTC)
    assert formats.day(date(2019, 1, 3)) == "3\u00a0Jan\u00a02019"
    assert formats.instant(late) == "12\u00a0Feb\u00a02020, 23:00 New York (04:00 UTC)"
    assert formats.desk_day(late) == date(2020, 2, 12)


@settings(deadline=None)
@given(earlier=INSTANTS, later=INSTANTS)
def test_what_lies_before_the_desks_midnight_is_of_an_earlier_day(earlier, later):
    is_earlier_day = formats.desk_day(earlier) < formats.desk_day(later)
    assert (earlier < formats.desk_midnight(later)) == is_earlier_day


@pytest.mark.parametrize(
    ("label", "text"),
    [("1w", "one week"), ("1m", "one month"), ("1q", "one quarter"), ("2w", "2 weeks"),
     ("63 sessions", "63 sessions"), ("*", "*")],
)  # fmt: skip
def test_horizon_labels_become_words(label, text):
    assert formats.horizon(label) == text


@pytest.mark.parametrize(
    ("up", "text"),
    [
        (0.5, "as likely up as down"),
        (0.52, "as likely up as down"),
        (0.55, "a rise slightly more likely"),
        (0.45, "a fall slightly more likely"),
        (0.65, "a rise more likely"),
        (0.2, "a fall much more likely"),
    ],
)
def test_chance_of_a_rise_in_words(up, text):
    assert formats.chance(up) == text
