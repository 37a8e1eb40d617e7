"""The verdicts on the page, recomputed the slow way from forecasts and outcomes."""

import itertools
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import interpolate, stats

from cbi_pipeline.evaluation import score
from cbi_pipeline.evaluation.comparison import adjust
from cbi_pipeline.report.skill import Score, judge_skill
from tests.evaluation import worlds

OPPONENTS = ("climatology", "ewma")


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(4)
    world = worlds.world(rng, commodities=2, weeks=120, clustering=0.5)
    flat = np.full_like(world.scale, 0.02) * np.sqrt(np.array([5.0, 20.0]))
    forecasts = pl.concat(
        [
            world.speak("climatology", flat * np.array([2.5, 1.05])[:, None, None]),
            world.speak("ewma", world.scale),
            world.speak("own", worlds.noisy(rng, world.scale, 0.2)),
        ]
    )
    return world, forecasts


def crps(levels, quantiles, y):
    """Twice the integral of the pinball loss, that of a natural spline ending in zero."""
    pinball = [
        max(level * (y - q), (level - 1) * (y - q))
        for level, q in zip(levels, quantiles, strict=True)
    ]
    spline = interpolate.CubicSpline([0.0, *levels, 1.0], [0.0, *pinball, 0.0], bc_type="natural")
    return 2 * float(spline.integrate(0.0, 1.0))


def losses_of(world, forecasts, recipe, commodity, steps):
    """CRPS by week, in the order of the origins."""
    outcomes = {
        row["session"]: row["value"]
        for row in world.targets().filter(commodity=commodity, horizon=steps).iter_rows(named=True)
    }
    own = forecasts.filter(recipe=recipe, commodity=commodity, horizon=steps)
    found = []
    for (session,), rows in own.sort("origin_session", "quantile").group_by(
        "origin_session", maintain_order=True
    ):
        found.append(crps(rows["quantile"].to_list(), rows["value"].to_list(), outcomes[session]))
    return found


def memory_of(mine, theirs):
    """Weeks for which one's bands stay wider than the other's, written out."""
    apart = [(a - b) / (a + b) for a, b in zip(mine, theirs, strict=True)]
    mean = sum(apart) / len(apart)
    apart = [one - mean for one in apart]
    after = sum(one * before for before, one in itertools.pairwise(apart))
    r = min(max(after / sum(one**2 for one in apart), 0.0), 0.98)
    return round((1 + r) / (1 - r))


def widths_of(forecasts, recipe, commodity, steps):
    """Widths of the 80 % bands, in the order of the origins."""
    own = forecasts.filter(recipe=recipe, commodity=commodity, horizon=steps)
    ends = [
        own.filter((pl.col("quantile") - level).abs() < 1e-9).sort("origin_session")["value"]
        for level in (0.1, 0.9)
    ]
    return (ends[1] - ends[0]).to_list()


def p_value(gains, overlap, memory):
    """The larger one of both tests, written out."""
    n, mean = len(gains), sum(gains) / len(gains)
    gamma = [
        sum((gains[t] - mean) * (gains[t - k] - mean) for t in range(k, n)) / n
        for k in range(overlap + 1)
    ]
    rectangular = gamma[0] + 2 * sum(gamma[1:])
    bartlett = gamma[0] + 2 * sum((1 - k / (overlap + 1)) * gamma[k] for k in range(1, overlap + 1))
    horizon = overlap + 1
    small = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    dm = mean / math.sqrt(max(rectangular, bartlett) / small / n)
    count = max(3, int(min(0.41 * n ** (2 / 3), n / (2 * max(horizon, memory)))))
    squares = [
        (sum(g * math.cos(math.pi * k * (t + 0.5) / n) for t, g in enumerate(gains)) ** 2) * 2 / n
        for k in range(1, count + 1)
    ]
    cosine = mean / math.sqrt(sum(squares) / count / n)
    return max(stats.t.sf(dm, n - 1), stats.t.sf(cosine, count))


def holm(p_values):
    """By name; each times the number of those not smaller, none below one before it."""
    left, worst, adjusted = len(p_values), 0.0, {}
    for name, p in sorted(p_values.items(), key=lambda item: item[1]):
        worst = max(worst, min(1.0, left * p))
        adjusted[name] = worst
        left -= 1
    return adjusted


def test_verdicts_equal_a_recomputation_from_forecasts_and_outcomes(scene):
    world, forecasts = scene
    scores = score(forecasts, world.targets(), world.catalogue, against=OPPONENTS)
    raw = {"better": {}, "worse": {}}
    # A week's outcome is public at the next origin, a month's at the fourth after.
    for label, steps, overlap in (("1w", 5, 0), ("1m", 20, 3)):
        for commodity in ("c0", "c1"):
            mine = losses_of(world, forecasts, "own", commodity, steps)
            for opponent in OPPONENTS:
                theirs = losses_of(world, forecasts, opponent, commodity, steps)
                scale = sum(theirs) / len(theirs)
                gains = [(b - a) / scale for a, b in zip(mine, theirs, strict=True)]
                memory = memory_of(
                    *(widths_of(forecasts, name, commodity, steps) for name in ("own", opponent))
                )
                key = (commodity, label, opponent)
                raw["better"][key] = p_value(gains, overlap, memory)
                raw["worse"][key] = p_value([-gain for gain in gains], overlap, memory)
    verdicts = set()
    adjusted = {name: holm(p_values) for name, p_values in raw.items()}
    own = scores.filter(recipe="own")
    for commodity in ("c0", "c1"):
        for label in ("1w", "1m"):
            cell = own.filter(commodity=commodity, horizon=label)
            stored = dict(cell.select("metric", "value").iter_rows())
            keys = [(commodity, label, opponent) for opponent in OPPONENTS]
            for name, by_key in adjusted.items():
                for key in keys:
                    assert stored[f"p_{name}_vs_{key[2]}"] == pytest.approx(by_key[key], rel=1e-6)
            expected = speak(
                [adjusted["better"][key] for key in keys], [adjusted["worse"][key] for key in keys]
            )
            rows = cell.drop("evaluation_id").iter_rows(named=True)
            verdict = judge_skill(Score(**row) for row in rows)
            assert verdict.startswith(expected)
            verdicts.add(expected)
    assert len(verdicts) > 1


def speak(better, worse):
    """The verdict on the adjusted chances of one cell."""
    if min(worse) <= 0.05:
        return "worse than a naive forecast"
    shown = sum(p <= 0.05 for p in better)
    if shown == len(better):
        return "skill shown against every naive forecast"
    return "skill shown against some naive forecasts, not all" if shown else "no skill shown"


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=30, unique=True))
def test_adjusted_p_values_follow_the_step_down_rule_of_holm(p_values):
    expected = holm({p: p for p in p_values})
    assert adjust(np.array(p_values)).tolist() == pytest.approx([expected[p] for p in p_values])


def test_no_test_has_no_adjusted_p_value():
    assert adjust(np.zeros(0)).tolist() == []
