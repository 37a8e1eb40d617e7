import numpy as np
import polars as pl
import pytest
from arch.bootstrap import MCS, SPA

from cbi_pipeline.evaluation import losses
from cbi_pipeline.evaluation.groups import group
from cbi_pipeline.evaluation.selection import confidence_set, superior_ability
from tests.evaluation import worlds


def scene(seed=0, *, sizes, weeks=100):
    rng = np.random.default_rng(seed)
    world = worlds.world(rng, clustering=0.4, weeks=weeks)
    spoken = [
        world.speak(name, worlds.noisy(rng, world.scale, size)) for name, size in sizes.items()
    ]
    return group(losses(pl.concat(spoken), world.targets(), world.catalogue))


def test_the_p_value_is_that_of_arch_on_the_scaled_weekly_losses():
    one = scene(sizes={"a": 0.3, "b": 0.3, "c": 0.2})
    table = np.column_stack([one.scale_losses(name, "a")[0] for name in ("b", "c")])
    test = SPA(one.scale_losses("a", "a")[0], table, block_size=8, reps=999, seed=11)
    test.compute()
    assert superior_ability(one, "a", ["b", "c"], seed=11) == test.pvalues["consistent"]


def test_a_clearly_better_rival_is_found_among_many():
    rng = np.random.default_rng(0)
    world = worlds.world(rng, clustering=0.4)
    stretched = {"a": 2.0, "b": 2.1, "c": 1.0, "d": 2.2}
    spoken = [world.speak(name, world.scale * by) for name, by in stretched.items()]
    one = group(losses(pl.concat(spoken), world.targets(), world.catalogue))
    assert superior_ability(one, "a", ["b", "c", "d"]) < 0.01


def test_the_best_recipe_has_no_superior():
    one = scene(sizes={"a": 0.0, "b": 0.5, "c": 0.5})
    assert superior_ability(one, "a", ["b", "c"]) > 0.3


def test_rivals_that_are_the_benchmark_again_test_nothing():
    one = scene(sizes={"a": 0.0})
    assert superior_ability(one, "a", ["a"]) is None


def test_too_few_weeks_test_nothing():
    one = scene(sizes={"a": 0.2, "b": 0.2}, weeks=8)
    assert superior_ability(one, "a", ["b"]) is None
    assert confidence_set(one, ["a", "b"]) == {}


def test_the_confidence_set_holds_the_best_and_drops_the_hopeless():
    one = scene(sizes={"a": 0.0, "b": 1.2, "c": 0.05})
    found = confidence_set(one, ["a", "b", "c"])
    assert max(found, key=found.get) in ("a", "c")
    assert found["b"] < 0.1


def test_the_confidence_set_is_that_of_arch():
    one = scene(sizes={"a": 0.3, "b": 0.3, "c": 0.5})
    table = np.column_stack([one.scale_losses(name, "a")[0] for name in ("a", "b", "c")])
    test = MCS(table, size=0.1, block_size=8, reps=999, seed=5)
    test.compute()
    reference = test.pvalues["Pvalue"].to_dict()
    found = confidence_set(one, ["a", "b", "c"], seed=5)
    assert found == pytest.approx({"a": reference[0], "b": reference[1], "c": reference[2]})


def test_recipes_that_forecast_the_same_share_their_place():
    rng = np.random.default_rng(3)
    world = worlds.world(rng)
    bad = worlds.noisy(rng, world.scale, 1.0)
    spoken = [world.speak(n, s) for n, s in (("a", world.scale), ("b", bad), ("c", world.scale))]
    one = group(losses(pl.concat(spoken), world.targets(), world.catalogue))
    found = confidence_set(one, ["a", "b", "c"])
    assert found["a"] == found["c"] == 1.0
    assert confidence_set(one, ["a", "c"]) == {"a": 1.0, "c": 1.0}
