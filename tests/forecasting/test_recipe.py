import dataclasses
import json

import pytest

from cbi_pipeline.forecasting import Recipe, TrainingConfig
from tests.recipes import NAMES, shipped, tiny


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_survives_json(name):
    recipe = shipped(name, "core-1")
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))
    assert again == recipe
    assert again.identity() == recipe.identity()


def test_recipes_differ_in_identity():
    recipes = [shipped(name, "core-1") for name in NAMES]
    assert len({recipe.identity() for recipe in recipes}) == len(recipes)
    assert recipes[0].with_training(seed=7).identity() != recipes[0].identity()


def test_an_unknown_field_is_refused():
    tree = tiny("core-1").to_json()
    tree["learning"] = 1
    with pytest.raises(ValueError, match=r"Recipe\.learning: this version has no such field"):
        Recipe.from_json(tree)


def test_an_unknown_network_is_refused():
    tree = tiny("core-1").to_json()
    tree["network"]["kind"] = "oracle"
    with pytest.raises(ValueError, match="unknown kind 'oracle'"):
        Recipe.from_json(tree)


@pytest.mark.parametrize("levels", [(), (0.5, 0.5), (0.9, 0.1), (0.0, 0.5)])
def test_levels_must_increase_inside_the_unit_interval(levels):
    with pytest.raises(ValueError, match="strictly increasing"):
        dataclasses.replace(tiny("core-1"), levels=levels)


def test_pieces_cannot_outnumber_samples():
    with pytest.raises(ValueError, match="accumulate cannot exceed"):
        TrainingConfig(batch_size=4, accumulate=5)
