"""Recipes of the catalogue: those that ship, and files beside a catalogue of one's own."""

from importlib.util import find_spec

import pytest

from cbi_pipeline.catalogue import CatalogueError, read_recipe
from cbi_pipeline.catalogue._recipes import find_recipes
from cbi_pipeline.commands.doctor import examine
from cbi_pipeline.model_kinds import MODEL_KINDS
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.recipes import (
    find_remark,
    load_challengers,
    load_recipe,
    require_recipes,
)
from cbi_pipeline.settings import Settings
from tests.catalogues import ALONE

OWN = """
kind = "network"
groups = ["related_price", "own_price"]
window = 8

[training]
max_epochs = 1
"""


@pytest.fixture
def beside(tmp_path):
    """A pipeline on the packaged catalogue, with some recipes beside it and other challengers."""

    def made(
        recipes: dict[str, str], challengers: str = '["anchored_gru"]', founder: str = "combined"
    ) -> Pipeline:
        file = tmp_path / "catalogue.toml"
        text = ALONE.replace('founder = "combined"', f'founder = "{founder}"')
        assert text.count('["anchored_gru"]') == 1
        file.write_text(text.replace('["anchored_gru"]', challengers))
        (tmp_path / "recipes").mkdir()
        for name, recipe in recipes.items():
            (tmp_path / "recipes" / f"{name}.toml").write_text(recipe)
        return Pipeline(Settings(_env_file=None, home=tmp_path / "home", catalogue_file=file))

    return made


@pytest.mark.parametrize("name", find_recipes())
def test_every_recipe_that_ships_is_one_on_all_groups_of_the_catalogue_or_none(name, tmp_path):
    reads = MODEL_KINDS[read_recipe(name).kind].reads_features
    recipe = load_recipe(name, Pipeline(Settings(_env_file=None, home=tmp_path)))
    assert (recipe.name, recipe.feature_set) == (name, "core-1" if reads else "none")


def test_a_wrong_field_of_a_baseline_is_told_before_anything_runs(beside):
    pipeline = beside({"gjr_t": 'kind = "garch"\nasymetric = true\n'})
    with pytest.raises(CatalogueError) as caught:
        require_recipes(pipeline)
    assert "gjr_t.toml: GarchRecipe.asymetric: this version has no such field" in str(caught.value)
    told = [one for one in examine(pipeline.settings) if one.subject == "catalogue"]
    assert [(one.state, "GarchRecipe.asymetric" in one.detail) for one in told] == [("fix", True)]


def test_a_baseline_that_lacks_levels_of_the_scores_is_refused_before_anything_runs(beside):
    pipeline = beside({"gjr_t": 'kind = "garch"\nlevels = [0.1, 0.5, 0.9]\n'})
    with pytest.raises(CatalogueError, match=r"gjr_t\.toml: levels lack 0\.05, 0\.2, ") as caught:
        require_recipes(pipeline)
    assert "0.95, which a baseline and the founder need" in str(caught.value)


def test_a_challenger_may_lack_levels_but_not_all_of_those_that_forecasts_are_compared_at(beside):
    require_recipes(beside({"coarse": 'kind = "climatology"\nlevels = [0.1, 0.9]\n'}, '["coarse"]'))


def test_a_challenger_without_any_level_that_forecasts_are_compared_at_is_refused(beside):
    pipeline = beside({"odd": 'kind = "climatology"\nlevels = [0.15, 0.85]\n'}, '["odd"]')
    with pytest.raises(CatalogueError, match=r"odd\.toml: levels hold none of 0\.01, 0\.025, "):
        require_recipes(pipeline)


def test_a_network_may_not_be_champion_before_anything_was_proven(beside):
    pipeline = beside({}, founder="tiny")
    with pytest.raises(CatalogueError, match=r"founder tiny is a network recipe.*such as combined"):
        require_recipes(pipeline)
    (told,) = [one for one in examine(pipeline.settings) if one.subject == "catalogue"]
    assert (told.state, "founder tiny" in told.detail) == ("fix", True)


@pytest.mark.skipif(find_spec("lightgbm") is not None, reason="the extra is installed")
def test_a_recipe_whose_library_is_not_installed_names_the_extra(beside):
    pipeline = beside({}, '["lightgbm"]')
    with pytest.raises(CatalogueError, match=r"lightgbm needs lightgbm; `pip install 'cbi-pipeli"):
        pipeline.require_catalogue()


def test_a_recipe_beside_the_catalogue_reads_the_groups_that_it_names(beside):
    pipeline = beside({"short": OWN}, '["anchored_gru", "short"]')
    first, second = load_challengers(pipeline)
    assert (first.name, first.feature_set) == ("anchored_gru", "core-1")
    assert (second.name, second.feature_set) == ("short", "own_price+related_price")
    assert (second.window, second.training.max_epochs) == (8, 1)


def test_a_file_beside_the_catalogue_stands_for_the_one_that_ships(beside):
    pipeline = beside({"anchored_gru": OWN})
    assert load_recipe("anchored_gru", pipeline).window == 8
    assert load_recipe("tiny", pipeline).window == 16


def test_a_combined_recipe_holds_the_recipes_that_it_names_with_their_weights(beside):
    blend = 'kind = "combined"\n[forecasts]\ngjr_t = 2\nclimatology = 1\n[own.wti]\nhar = 1\n'
    (recipe,) = load_challengers(beside({"blend": blend}, '["blend"]'))
    held = [(member.recipe.name, member.weight) for member in recipe.forecasts]
    assert held == [("gjr_t", 2.0), ("climatology", 1.0)]
    assert recipe.forecasts[0].recipe.asymmetric
    assert recipe.weights("wti") == {"har": 1.0}
    assert recipe.weights("gasoline_mn") == {"gjr_t": 2.0, "climatology": 1.0}


@pytest.mark.parametrize(
    ("forecasts", "words"),
    [
        ("[forecasts]\ngarch = 1", "no recipe 'garch'; nearest: garch_t"),
        ("[forecasts]\nanchored_gru = 1", "unknown kind 'network'"),
        ("[forecasts]\ngarch_t = 0", "Member.weight takes a number above 0"),
        ('forecasts = ["garch_t"]', "forecasts is a table of recipes with their weights"),
        ("", "forecasts is a table of recipes with their weights"),
        ("own = 1\n[forecasts]\nhar = 1", "own is a table per commodity, as in [own.wti]"),
    ],
)
def test_a_combined_recipe_of_what_cannot_be_averaged_is_refused(beside, forecasts, words):
    pipeline = beside({"blend": f'kind = "combined"\n{forecasts}\n'}, '["blend"]')
    with pytest.raises(CatalogueError) as caught:
        load_challengers(pipeline)
    assert words in str(caught.value)


def test_a_network_holds_the_recipe_that_it_adjusts(beside):
    over = 'anchor = "blend"\n' + OWN
    blend = 'kind = "combined"\n[forecasts]\ngjr_t = 2\nclimatology = 1\n'
    (recipe,) = load_challengers(beside({"short": over, "blend": blend}, '["short"]'))
    assert recipe.anchor.weights("wti") == {"gjr_t": 2.0, "climatology": 1.0}
    assert recipe.anchor_recipe.levels == recipe.levels


@pytest.mark.parametrize(
    ("anchor", "words"),
    [
        ('"combnied"', "short.toml: anchor: no recipe 'combnied'; nearest: combined"),
        ('"tiny"', "short.toml: anchor: tiny is of the kind network, which reads features"),
        ('"lightgbm"', "an anchor reads prices alone: climatology, ewma, prior, garch, har, comb"),
        ("true", "short.toml: anchor is the name of a recipe"),
    ],
)
def test_an_anchor_that_is_none_is_refused_before_anything_runs(beside, anchor, words):
    pipeline = beside({"short": f"anchor = {anchor}\n{OWN}"}, '["short"]')
    with pytest.raises(CatalogueError) as caught:
        pipeline.require_catalogue()
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (OWN.replace("max_epochs", "epochs"), "short.toml: Recipe.training.epochs: this version"),
        (OWN.replace("window = 8", "window = 0"), "short.toml: Recipe.window"),
        (OWN + "rate = 1\n", "short.toml: Recipe.training.rate: this version has no such field"),
    ],
)
def test_a_field_that_no_recipe_takes_is_named_with_its_file(beside, recipe, words):
    pipeline = beside({"short": recipe}, '["short"]')
    with pytest.raises(CatalogueError) as caught:
        load_challengers(pipeline)
    assert words in str(caught.value)
    told = [one for one in examine(pipeline.settings) if one.subject == "catalogue"]
    assert [(one.state, words in one.detail) for one in told] == [("fix", True)]


@pytest.mark.parametrize(
    ("recipe", "challengers", "words"),
    [
        (OWN, '["shrot"]', "challengers: no recipe 'shrot'; nearest: short"),
        (OWN, "[]", "[evaluation]: challengers: "),
        (OWN, '["short", "short"]', "challengers: name each once: short, short"),
        (OWN.replace("network", "netwok"), '["short"]', "no kind of model 'netwok'; nearest: netw"),
        (OWN.replace("network", "ewma"), '["short"]', "groups: a ewma model reads prices alone"),
        (OWN.replace("own_price", "own_prise"), '["short"]', "nearest: own_price"),
        (OWN.replace("groups = [", "groups = [["), '["short"]', "short.toml is not valid TOML"),
        (f'name = "long"\n{OWN}', '["short"]', "short.toml: leave name out"),
    ],
)
def test_a_wrong_recipe_is_refused_before_anything_runs(beside, recipe, challengers, words):
    pipeline = beside({"short": recipe}, challengers)
    with pytest.raises(CatalogueError) as caught:
        pipeline.require_catalogue()
    assert words in str(caught.value)


def test_a_remark_changes_no_recipe(beside):
    pipeline = beside({"own": OWN, "told": 'remark = "Made on a whim."\n' + OWN})
    plain, told = (load_recipe(name, pipeline).to_json() for name in ("own", "told"))
    assert plain | {"name": "told"} == told
    assert [find_remark(name, pipeline) for name in ("own", "told")] == ["", "Made on a whim."]


def test_the_recipe_that_ships_says_which_markets_its_weights_have_seen(beside):
    assert "looked at on WTI, Brent and Henry Hub" in find_remark("combined", beside({}))


def test_a_recipe_whose_file_is_gone_has_no_remark(beside):
    assert find_remark("gone", beside({})) == ""
