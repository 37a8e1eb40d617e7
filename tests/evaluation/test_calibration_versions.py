"""Outcomes that are corrected or withdrawn count as they were known, origin by origin."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from cbi_pipeline.evaluation import calibrate
from cbi_pipeline.evaluation.calibration import (
    BASE_RATE_SHRINKAGE,
    FACTORS,
    PULL_RIDGE,
    SHRINKAGE,
)
from cbi_pipeline.evaluation.losses import crps
from data_contracts.features import TARGET
from tests.evaluation import worlds
from tests.evaluation.calibrated import calibrate_newest

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
    """The factors of one commodity and horizon, each from all that was public at its origin."""
    origins = [
        (key[0], part["value"].to_numpy(), part["quantile"].to_numpy())
        for key, part in forecasts.sort("as_of", "quantile").group_by("as_of", maintain_order=True)
    ]
    versions = targets.sort("version").to_dicts()
    session = dict(forecasts.select("as_of", "origin_session").iter_rows())
    chosen, applied = {}, {}
    for instant, *_ in origins:
        outcomes, releases = known_outcomes(versions, instant)
        past = [
            (outcomes[session[made]], made, q, levels)
            for made, q, levels in origins
            if made < instant and session[made] in outcomes
        ]
        news = [
            (releases[session[made]], made)
            for made, *_ in origins
            if made < instant and session[made] in releases
        ]
        chosen[instant] = factor(past, min(independent(news), len(past)))
        gained = sum(
            loss(q, levels, y, chosen[made]) - loss(q, levels, y, 1.0)
            for y, made, q, levels in past
        )
        applied[instant] = chosen[instant] if gained <= 1e-12 else 1.0
    return applied


def loss(q, levels, y, width):
    centre = q[levels == 0.5].item()
    return crps((centre + width * (q - centre))[None], levels, np.array([y]))[0]


def factor(past, count):
    """The factor with the least loss over past outcomes, shrunk by how many share no news."""
    if not past:
        return 1.0
    costs = [sum(loss(q, levels, y, width) for y, _, q, levels in past) for width in FACTORS]
    return FACTORS[int(np.argmin(costs))] ** (count / (count + SHRINKAGE))


def pull_oracle(forecasts, targets):
    """The chance of a rise at each origin of one commodity and horizon, moved to the base rate."""
    stated = dict(forecasts.sort("as_of").select("as_of", "up").iter_rows())
    versions = targets.sort("version").to_dicts()
    session = dict(forecasts.select("as_of", "origin_session").iter_rows())
    base, pulls, moved = {}, {}, {}
    for instant in sorted(stated):
        outcomes, releases = known_outcomes(versions, instant)
        past = [made for made in stated if made < instant and session[made] in outcomes]
        news = [
            (releases[session[made]], made)
            for made in stated
            if made < instant and session[made] in releases
        ]
        rises = [float(outcomes[session[made]] > 0) for made in past]
        count = min(independent(news), len(past))
        share = sum(rises) / len(rises) if rises else 0.0
        base[instant] = 0.5 + (share - 0.5) * count / (count + BASE_RATE_SHRINKAGE)

        def cost(pull, past=past, rises=rises):
            pull = dict.fromkeys(past, pull) if isinstance(pull, float) else pull
            return sum(
                (stated[made] + pull[made] * (base[made] - stated[made]) - rose) ** 2
                for made, rose in zip(past, rises, strict=True)
            )

        once = count / max(len(past), 1)

        def believed(pull, cost=cost, once=once):
            return once * cost(float(pull)) + PULL_RIDGE * pull**2

        search = {"bounds": (-1, 1), "method": "bounded", "options": {"xatol": 1e-9}}
        pulls[instant] = optimize.minimize_scalar(believed, **search).x if past else 0.0
        gained = cost(pulls) - cost(0.0)
        pull = pulls[instant] if gained <= 0.0 else 0.0
        moved[instant] = stated[instant] + pull * (base[instant] - stated[instant])
    return moved


def independent(news):
    """How many of the forecasts were made after the release of the one counted before."""
    count, until = 0, datetime.min.replace(tzinfo=UTC)
    for release, made in sorted(news):
        if made >= until:
            count, until = count + 1, release
    return count


def known_outcomes(versions, instant):
    """Every return that stands at the instant, and when each that ever stood was first told."""
    newest, first = {}, {}
    for version in versions:
        if version["available_at"] <= instant:
            newest[version["session"]] = version["value"]
            if version["value"] is not None:
                release = first.get(version["session"], version["available_at"])
                first[version["session"]] = min(release, version["available_at"])
    return {day: y for day, y in newest.items() if y is not None}, first


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=6)
@pytest.mark.slow
def test_bands_are_those_worked_out_anew_from_the_versions_public_at_each_origin(seed):
    raw, targets = market(seed)
    moved = 0
    for horizon in STEPS.values():
        own = raw.filter(horizon=horizon)
        expected = oracle(own, targets.filter(horizon=horizon))
        found = calibrate(own, targets).join(own, on=[*ORIGIN, "as_of"], suffix="_raw")
        for at, after, before in found.select("as_of", "volatility", "volatility_raw").iter_rows():
            assert after / before == pytest.approx(expected[at], rel=1e-9)
            moved += expected[at] != 1.0
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
    replayed = calibrate(raw, targets).filter(day).sort(ORIGIN)
    for versions in (targets, targets.filter(instant >= PUBLIC)):
        made = calibrate_newest(raw.filter(day), raw.filter(pl.col("as_of") <= instant), versions)
        for column in ("value", "up", "volatility"):
            assert made.sort(ORIGIN)[column].equals(replayed[column])


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=6)
@pytest.mark.slow
def test_chances_are_those_worked_out_anew_from_the_versions_public_at_each_origin(seed):
    rng = np.random.default_rng(seed)
    world = worlds.world(rng, commodities=1, weeks=WEEKS, steps=STEPS)
    shift = rng.normal(0.3, 1.0, world.scale.shape) * world.scale
    raw, targets = world.speak("raw", world.scale, shift), retold(world.targets(), rng)
    for horizon in STEPS.values():
        own = raw.filter(horizon=horizon)
        expected = pull_oracle(own, targets.filter(horizon=horizon))
        for at, up in calibrate(own, targets).select("as_of", "up").iter_rows():
            assert min(max(expected[at], 0.0), 1.0) == pytest.approx(up, abs=1e-5)


# The same in plain cases. Returns of 1 % make a forecast of 1 % narrower, corrected ones wider.


def test_a_correction_years_later_leaves_the_bands_of_before_as_they_were():
    raw, targets = steady()
    corrected = pl.concat([targets, further(targets, datetime(2023, 1, 2, tzinfo=UTC), 0.5)])
    assert calibrate(raw, corrected).equals(calibrate(raw, targets))


@pytest.mark.parametrize(("late", "counts"), [(timedelta(0), True), (timedelta(seconds=1), False)])
def test_a_correction_counts_from_its_own_instant_on(late, counts):
    raw, targets = steady()
    public = worlds.midnight(worlds.session(30)) + late
    past = targets.filter(public > PUBLIC)
    better = calibrate(raw, pl.concat([targets, further(past, public, 0.5)]))
    plain = calibrate(raw, targets)
    assert upper(better, 29) == upper(plain, 29)
    assert (upper(better, 30) != upper(plain, 30)) == counts
    assert upper(better, 31) > upper(raw, 31)


def test_of_two_versions_told_in_one_instant_the_newer_counts():
    raw, targets = steady()
    first = targets.with_columns(value=pl.lit(0.5))
    second = targets.with_columns(pl.col("version") + 1)
    better = calibrate(raw, pl.concat([second, first]))
    expected = calibrate(raw, targets)
    assert better["value"].to_numpy() == pytest.approx(expected["value"].to_numpy(), rel=1e-9)


def test_a_withdrawal_leaves_the_bands_of_before_and_takes_its_outcomes_from_those_after():
    raw, targets = steady()
    public = worlds.midnight(worlds.session(30))
    gone = targets.filter(public >= PUBLIC)
    better = calibrate(raw, pl.concat([targets, further(gone, public, None)]))
    assert upper(better, 29) == upper(calibrate(raw, targets), 29) != upper(raw, 29)
    assert upper(better, 30) == upper(raw, 30)
    assert upper(better, 40) != upper(raw, 40)


def test_a_return_told_again_after_its_withdrawal_counts_again():
    raw, targets = steady()
    gone, back = (worlds.midnight(worlds.session(week)) for week in (30, 40))
    past = targets.filter(gone >= PUBLIC)
    withdrawn = further(past, gone, None)
    told = pl.concat([targets, withdrawn, further(withdrawn, back, 0.01)])
    better, plain = calibrate(raw, told), calibrate(raw, targets)
    assert upper(better, 30) == upper(raw, 30)
    assert upper(better, 45) == pytest.approx(upper(plain, 45))


def test_a_return_that_was_first_told_without_a_value_counts_from_when_it_had_one():
    raw, targets = steady()
    public = worlds.midnight(worlds.session(30))
    past = targets.filter(public >= PUBLIC)
    nothing = targets.with_columns(value=pl.lit(None, pl.Float64))
    better = calibrate(raw, pl.concat([nothing, further(past, public, 0.01)]))
    assert upper(better, 29) == upper(raw, 29)
    # All became known at once, after every one of the forecasts: they count as one piece of news.
    alone = calibrate(raw, pl.concat([nothing, further(past.head(1), public, 0.01)]))
    assert upper(better, 30) == pytest.approx(upper(alone, 30), rel=0.05)
