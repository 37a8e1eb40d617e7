"""Outcomes that are corrected or withdrawn count as they were known, origin by origin."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.evaluation import calibrate, calibrate_newest
from cbi_pipeline.evaluation.calibration import FEWEST_INDEPENDENT, RATE
from data_contracts.features import TARGET
from tests.evaluation import worlds

KEY = ["commodity", "session", "horizon"]
ORIGIN = ["commodity", "horizon", "origin_session", "quantile"]
WEEKS = 45
STEPS = {"1w": 5, "2w": 10}
PUBLIC = pl.col("available_at")


# Worlds whose outcomes are told more than once.


def steady():
    """A weekly market whose return is always 1 %, forecast with a volatility of 1 %."""
    world = worlds.world(np.random.default_rng(0), commodities=1, weeks=60, steps={"1w": 5})
    world.returns[:] = 0.01
    return world.speak("raw", np.full_like(world.scale, 0.01)), world.targets()


def further(targets, available_at, value):
    """One more version of each of these targets."""
    return targets.with_columns(
        pl.col("version") + 1,
        value=pl.lit(value, pl.Float64),
        available_at=pl.lit(available_at).cast(TARGET.dtypes["available_at"]),
    )


def retold(targets, rng):
    """Targets with corrections, withdrawals and returns to life, some in the same instant.

    Delays are whole days, so versions often become public at the very instant of an origin.
    """
    frames, newest = [targets], targets
    for _ in range(3):
        hit = newest.filter(pl.Series(rng.random(len(newest)) < 0.5))
        days = pl.Series(np.where(rng.random(len(hit)) < 0.2, 0, rng.integers(1, 120, len(hit))))
        newest = hit.with_columns(
            pl.col("version") + 1,
            value=values(rng, len(hit)),
            available_at=PUBLIC + pl.duration(days=days),
        )
        frames.append(newest)
    # A first version may lack a return, as when a price is not positive.
    lacking = pl.Series(rng.random(len(targets)) < 0.1)
    frames[0] = targets.with_columns(value=pl.when(~lacking).then("value"))
    return pl.concat(frames).sort(*KEY, "version")


def values(rng, count):
    gone = pl.Series(rng.random(count) < 0.3)
    return pl.when(~gone).then(pl.Series(rng.normal(0, 0.1, count)))


def another_future(targets, instant, rng):
    """The same versions up to an instant; after it others, fewer, more, sooner and later."""
    known, later = (targets.filter(side) for side in (instant >= PUBLIC, instant < PUBLIC))
    kept = later.filter(pl.Series(rng.random(len(later)) < 0.7))
    kept = kept.with_columns(value=values(rng, len(kept)))
    newest = pl.concat([known, kept]).sort("version").unique(KEY, keep="last", maintain_order=True)
    added = newest.filter(pl.Series(rng.random(len(newest)) < 0.6)).with_columns(
        pl.col("version") + 1, available_at=pl.max_horizontal(PUBLIC, pl.lit(instant))
    )
    added = added.with_columns(
        value=values(rng, len(added)),
        available_at=PUBLIC + pl.duration(microseconds=pl.Series(micros(rng, len(added)))),
    )
    return pl.concat([known, kept, added])


def micros(rng, count):
    """From a microsecond to some weeks."""
    return np.exp(rng.uniform(0, np.log(4e12), count)).astype(np.int64)


def market(seed):
    rng = np.random.default_rng(seed)
    world = worlds.world(rng, commodities=1, weeks=WEEKS, steps=STEPS)
    return world.speak("raw", worlds.noisy(rng, world.scale, 0.6)), retold(world.targets(), rng)


def upper(frame, week):
    at = (pl.col("origin_session") == worlds.session(week)) & (pl.col("quantile") == 0.95)
    return frame.filter(at)["value"].item()


# What is said at each origin, worked out anew from the versions public then.


def oracle(forecasts, targets):
    """The bands of one commodity and horizon; nothing is carried over but the bands said before."""
    origins = [
        (key[0], dict(zip(part["quantile"], part["value"], strict=True)), part["volatility"][0])
        for key, part in forecasts.sort("as_of").group_by("as_of", maintain_order=True)
    ]
    versions = targets.sort("version").to_dicts()
    session = dict(forecasts.select("as_of", "origin_session").iter_rows())
    said = {}
    for instant, q, scale in origins:
        outcomes = known_outcomes(versions, instant)
        past = [
            (*outcomes[session[made]], made, before, vol, said[made])
            for made, before, vol in origins
            if made < instant and session[made] in outcomes
        ]
        said[instant] = band(q, scale, sorted(past, key=lambda one: one[0]))
    return said


def known_outcomes(versions, instant):
    """Session to (first release, return) of every return known at the instant."""
    newest, first = {}, {}
    for version in versions:
        if version["available_at"] <= instant:
            newest[version["session"]] = version["value"]
            if version["value"] is not None:
                release = first.get(version["session"], version["available_at"])
                first[version["session"]] = min(release, version["available_at"])
    return {day: (first[day], y) for day, y in newest.items() if y is not None}


def band(q, scale, past):
    independent, until = 0, datetime.min.replace(tzinfo=UTC)
    for release, _, made, *_ in past:
        if made >= until:
            independent, until = independent + 1, release
    moved = dict(q)
    for low in (level for level in q if level < 0.5):
        high, alpha = round(1 - low, 9), 2 * low
        if independent < max(FEWEST_INDEPENDENT, round(1 / alpha - 1, 6)):
            continue
        scores, asked = [], alpha
        for _, y, _, before, vol, told in past:
            scores.append(max(before[low] - y, y - before[high]) / vol)
            asked += RATE * (alpha - (not told[low] <= y <= told[high]))
        count = len(scores)
        asked = min(max(asked, 1 / (count + 1)), 1.0)
        rank = max(int(np.ceil((count + 1) * (1 - asked) - 1e-9)), 1)
        reach = sorted(scores)[rank - 1] * scale
        moved[low] = min(q[low] - reach, q[0.5])
        moved[high] = max(q[high] + reach, q[0.5])
    return dict(zip(sorted(q), sorted(moved.values()), strict=True))


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=12)
@pytest.mark.slow
def test_bands_are_those_worked_out_anew_from_the_versions_public_at_each_origin(seed):
    raw, targets = market(seed)
    moved = 0
    for horizon in STEPS.values():
        own = raw.filter(horizon=horizon)
        expected = oracle(own, targets.filter(horizon=horizon))
        found = calibrate(own, targets)
        for at, level, value in found.select("as_of", "quantile", "value").iter_rows():
            assert value == expected[at][level]
        moved += found["value"].to_list() != own.sort("as_of", "quantile")["value"].to_list()
    assert moved, "a band that is never moved shows nothing"


@given(seed=st.integers(0, 2**32 - 1), week=st.integers(5, WEEKS - 1))
@settings(max_examples=12)
def test_no_later_version_changes_what_was_said_by_an_instant(seed, week):
    raw, targets = market(seed)
    instant = worlds.midnight(worlds.session(week))
    other = another_future(targets, instant, np.random.default_rng(seed + 1))
    early = pl.col("as_of") <= instant
    one, another = (calibrate(raw, versions).filter(early) for versions in (targets, other))
    assert one.equals(another)


@given(seed=st.integers(0, 2**32 - 1), week=st.integers(12, WEEKS - 1))
@settings(max_examples=8)
def test_a_band_made_on_the_day_is_the_one_replayed_later(seed, week):
    raw, targets = market(seed)
    instant = worlds.midnight(worlds.session(week))
    day = pl.col("as_of") == instant
    replayed = calibrate(raw, targets).filter(day).sort(ORIGIN)["value"]
    for versions in (targets, targets.filter(instant >= PUBLIC)):
        made = calibrate_newest(raw.filter(day), raw.filter(pl.col("as_of") <= instant), versions)
        assert made.sort(ORIGIN)["value"].equals(replayed)


# The same in plain cases.


def test_a_correction_years_later_leaves_the_bands_of_before_as_they_were():
    raw, targets = steady()
    corrected = pl.concat([targets, further(targets, datetime(2023, 1, 2, tzinfo=UTC), 0.5)])
    assert calibrate(raw, corrected).equals(calibrate(raw, targets))
    assert upper(calibrate(raw, corrected), 50) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("late", "reach"), [(timedelta(0), 0.5), (timedelta(microseconds=1), 0.01)]
)
def test_a_correction_counts_from_its_own_instant_on(late, reach):
    raw, targets = steady()
    public = worlds.midnight(worlds.session(30)) + late
    past = targets.filter(public > PUBLIC)
    better = calibrate(raw, pl.concat([targets, further(past, public, 0.5)]))
    assert upper(better, 29) == pytest.approx(0.01)
    assert upper(better, 30) == pytest.approx(reach)
    assert upper(better, 31) == pytest.approx(0.5)


def test_of_two_versions_told_in_one_instant_the_newer_counts():
    raw, targets = steady()
    first = targets.with_columns(value=pl.lit(0.5))
    second = targets.with_columns(pl.col("version") + 1)
    better = calibrate(raw, pl.concat([second, first]))
    assert better.equals(calibrate(raw, targets))


def test_a_withdrawal_leaves_the_bands_of_before_and_takes_its_outcomes_from_those_after():
    raw, targets = steady()
    public = worlds.midnight(worlds.session(30))
    gone = targets.filter(public >= PUBLIC)
    better = calibrate(raw, pl.concat([targets, further(gone, public, None)]))
    assert upper(better, 29) == upper(calibrate(raw, targets), 29) != upper(raw, 29)
    # Nothing certifies a level until nine more returns are known.
    weeks = range(30, 60)
    kept = [upper(better, week) == upper(raw, week) for week in weeks]
    assert kept == [True] * 9 + [False] * 21


def test_a_return_told_again_after_its_withdrawal_counts_again():
    raw, targets = steady()
    gone, back = (worlds.midnight(worlds.session(week)) for week in (30, 40))
    past = targets.filter(gone >= PUBLIC)
    withdrawn = further(past, gone, None)
    told = pl.concat([targets, withdrawn, further(withdrawn, back, 0.01)])
    better, plain = calibrate(raw, told), calibrate(raw, targets)
    assert upper(better, 31) == upper(raw, 31)
    assert upper(better, 45) == pytest.approx(upper(plain, 45))


def test_a_return_that_was_first_told_without_a_value_counts_from_when_it_had_one():
    raw, targets = steady()
    public = worlds.midnight(worlds.session(30))
    past = targets.filter(public >= PUBLIC)
    nothing = targets.with_columns(value=pl.lit(None, pl.Float64))
    better = calibrate(raw, pl.concat([nothing, further(past, public, 0.01)]))
    assert upper(better, 29) == upper(raw, 29)
    # All became known at once, after every one of the forecasts: they share their news.
    assert upper(better, 30) == upper(raw, 30)
