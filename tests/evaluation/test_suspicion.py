"""What looks too good to be true, and what does not."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from benchmarks import gate_worlds
from cbi_pipeline.evaluation.losses import losses
from cbi_pipeline.evaluation.suspicion import (
    VARIANCE_GAIN,
    find_direction_leaks,
    find_scale_leaks,
    find_suspicions,
)
from tests.evaluation import worlds

THIRTEEN_YEARS = 39 * 13


def liquid(markets):
    catalogue = gate_worlds.make_catalogue(markets)
    commodities = [each.model_copy(update={"liquid": True}) for each in catalogue.commodities]
    return catalogue.model_copy(update={"commodities": tuple(commodities)})


def suspect(world, scale):
    scales = {"combined": world.scale, "candidate": scale}
    table = world.table(scales, world.weeks)
    return list(find_scale_leaks(table, "candidate", liquid(world.markets)))


def test_a_scale_that_has_seen_half_of_the_squared_return_is_suspicious():
    rng = np.random.default_rng(1)
    for _ in range(10):
        world = gate_worlds.draw_world(rng, 2, THIRTEEN_YEARS)
        seen = np.sqrt(0.5 * world.scale**2 + 0.5 * world.returns**2)
        assert any("at all horizons" in words for words in suspect(world, seen))


def test_an_honest_gain_of_two_percent_is_not():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(20):
        world = gate_worlds.draw_world(rng, 2, THIRTEEN_YEARS, driver=0.285)
        held += bool(suspect(world, world.informed))
    assert held <= 3  # binom.ppf(0.98, 20, 0.05)


def test_a_leak_at_one_horizon_alone_is_named():
    world = gate_worlds.draw_world(np.random.default_rng(3), 2, THIRTEEN_YEARS)
    seen = world.scale.copy()
    cells = slice(1, None, len(gate_worlds.STEPS))
    seen[cells] = np.sqrt(0.4 * world.scale[cells] ** 2 + 0.6 * world.returns[cells] ** 2)
    words = " ".join(suspect(world, seen))
    assert "at 1m" in words
    assert "at 1w" not in words


def test_without_the_yardstick_no_scale_is_suspicious():
    world = gate_worlds.draw_world(np.random.default_rng(3), 2, 100)
    table = world.table({"candidate": world.scale}, world.weeks).head(0)
    assert list(find_scale_leaks(table, "candidate", liquid(2))) == []


def test_the_gain_of_knowing_the_variance_falls_with_the_horizon():
    gains = [VARIANCE_GAIN[steps] for steps in sorted(VARIANCE_GAIN)]
    assert gains == sorted(gains, reverse=True)


def rising(drift):
    """A liquid market that rises in most weeks, and one who says so every week."""
    world = worlds.world(np.random.default_rng(4), commodities=1, weeks=300, liquid=True)
    world = replace(world, returns=world.returns + drift * world.scale)
    return world, world.speak("candidate", world.scale, 0.01 * world.scale)


def find_leaks(world, forecast):
    table = losses(forecast, world.targets(), world.catalogue)
    return " ".join(find_direction_leaks(table, "candidate"))


def test_who_always_says_up_in_a_rising_market_has_the_hit_rate_of_the_market():
    world, forecast = rising(0.5)
    assert "hit rate" not in find_leaks(world, forecast)


def test_who_says_up_when_it_will_rise_is_held_against_the_rate_of_rises():
    world, _ = rising(0.5)
    leak = world.speak("candidate", world.scale, 0.2 * np.sign(world.returns) * world.scale)
    words = find_leaks(world, leak)
    assert "hit rate 100.0% on c0, where its calls give" in words


@pytest.mark.parametrize("is_liquid", [True, False])
def test_only_liquid_markets_are_suspected(is_liquid):
    world = worlds.world(np.random.default_rng(5), commodities=1, liquid=is_liquid)
    leak = world.speak("candidate", world.scale, 0.3 * world.returns)
    table = losses(pl.concat([leak]), world.targets(), world.catalogue)
    assert bool(find_suspicions(table, "candidate", world.catalogue)) is is_liquid
