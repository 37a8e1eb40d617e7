"""No future leaks into what was decided: proven by scrambling it, with leaks planted as control."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.features.detector import (
    Record,
    bands_study,
    contenders_study,
    features_study,
    full_study,
    notices,
    walked_study,
)
from tests.features.leaks import LEAKS
from tests.features.records import observations
from tests.features.worlds import MONTHLY, RETAIL, START, WEEKLY, WTI, positions, world

SCRAMBLED = st.sampled_from([(), (WTI,), (RETAIL,), WEEKLY, MONTHLY])
#: Each of these is a leak of a kind that another one stands for.
LONG = (
    *("outcomes_as_restated_later", "outcomes_but_those_withdrawn_later"),
    *("retail_dated_by_its_label", "monthly_known_at_month_end", "spot_known_on_its_own_evening"),
)
PLANTED = [pytest.param(x, marks=pytest.mark.slow) if x in LONG else x for x in LEAKS]
NO_SHRINKING = [Phase.explicit, Phase.reuse, Phase.generate]
INSTANTS = [
    datetime(2017, 7, 19, 14, tzinfo=UTC),
    datetime(2017, 10, 12, 4, tzinfo=UTC),
    datetime(2017, 12, 25, 23, tzinfo=UTC),
    datetime(2018, 3, 14, 15, tzinfo=UTC),
    datetime(2018, 6, 5, 12, tzinfo=UTC),
    datetime(2018, 11, 22, 3, tzinfo=UTC),
]


@pytest.fixture(scope="module")
def recent() -> Record:
    """The shipped record since 2014: enough for every feature, small enough to rebuild often.

    Positions stand beside it, which no feature reads, for the leaks that do.
    """
    real = observations().filter(pl.col("period") >= date(2014, 1, 1))
    return Record(pl.concat([real, positions()]))


@pytest.fixture(scope="module")
def shipped() -> Record:
    return Record(observations())


@given(
    instant=st.datetimes(datetime(1987, 6, 1), datetime(2020, 2, 1), timezones=st.just(UTC)),
    seed=st.integers(0, 10_000),
    series=SCRAMBLED,
)
@settings(max_examples=2, deadline=None, phases=NO_SHRINKING)
def test_nothing_decided_on_the_shipped_record_depends_on_what_came_later(
    shipped, instant, seed, series
):
    assert not notices(full_study, shipped, instant, seed, series)


STUDIES = [full_study, bands_study, walked_study, contenders_study]
REVISED = {
    "record": st.integers(0, 10_000),
    "days": st.floats(100, 830),
    "seed": st.integers(0, 10_000),
    "series": SCRAMBLED,
}


@given(**REVISED)
@settings(max_examples=2, deadline=None, phases=NO_SHRINKING)
def test_no_band_on_a_revised_record_depends_on_what_came_later(record, days, seed, series):
    assert_unnoticed(bands_study, record, days, seed, series)


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
@given(**REVISED)
@settings(max_examples=8, deadline=None, phases=NO_SHRINKING)
def test_nothing_decided_on_many_revised_records_depends_on_what_came_later(
    study, record, days, seed, series
):
    assert_unnoticed(study, record, days, seed, series)


def assert_unnoticed(study, record, days, seed, series) -> None:
    instant = START + timedelta(days=days)
    assert not notices(study, Record(world(record, revisions=60)), instant, seed, series)


def test_no_contender_depends_on_what_came_later(recent):
    assert not notices(contenders_study, recent, INSTANTS[4], seed=4)


@pytest.mark.slow
def test_no_contender_at_any_instant_depends_on_what_came_later(recent):
    assert not any(notices(contenders_study, recent, at, seed) for seed, at in enumerate(INSTANTS))


@pytest.mark.slow
def test_no_contender_on_the_long_record_depends_on_a_session_that_was_filled_in_later(shipped):
    """A day's price came more than a year after its neighbours."""
    hole = (pl.col("series_id") == WTI) & (pl.col("period") == date(2016, 6, 1))
    filled = datetime(2017, 7, 20, 14, tzinfo=UTC)
    instant = pl.when(hole).then(pl.lit(filled)).otherwise("available_at")
    late = Record(
        shipped.observations.with_columns(available_at=instant.cast(pl.Datetime("us", "UTC")))
    )
    never = Record(shipped.observations.filter(~hole))
    for at in (datetime(2016, 12, 1, tzinfo=UTC), filled - timedelta(minutes=1)):
        assert contenders_study(late, at) == contenders_study(never, at)
    after = filled + timedelta(days=10)
    assert contenders_study(late, after) != contenders_study(never, after)


@pytest.mark.slow
def test_no_calibrated_band_depends_on_what_came_later(recent):
    assert not any(notices(bands_study, recent, at, seed) for seed, at in enumerate(INSTANTS))


@pytest.mark.parametrize("leak", PLANTED)
def test_a_planted_leak_is_caught(leak, recent, power):
    caught = sum(notices(LEAKS[leak], recent, at, seed) for seed, at in enumerate(INSTANTS))
    power[leak] = f"{caught}/{len(INSTANTS)}"
    assert caught >= len(INSTANTS) / 2, f"{leak}: caught at {caught} of {len(INSTANTS)} instants"


def test_the_detector_raises_no_false_alarm(recent, power):
    caught = sum(notices(features_study, recent, at, seed) for seed, at in enumerate(INSTANTS))
    power["(no leak: the honest features)"] = f"{caught}/{len(INSTANTS)}"
    assert caught == 0
