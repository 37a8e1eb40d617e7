"""``cbi recipes``: what there is, what is wrong with a file, and what a recipe is worth."""

import re

import pytest

from cbi_pipeline.cli import invoke
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.recipes import load_recipe
from cbi_pipeline.settings import Settings
from tests.system.homes import copied


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CBI_HOME", str(tmp_path / ".cbi"))
    return tmp_path / ".cbi"


@pytest.fixture
def recipes(home):
    folder = home / "catalogue" / "recipes"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def say(capfd):
    def said(*arguments: str) -> tuple[int, str, str]:
        code = invoke(["recipes", *arguments])
        return code, *capfd.readouterr()

    return said


def test_all_are_listed_with_what_they_are_here(say, recipes):
    (recipes / "mine.toml").write_text('from = "lstm"\nsummary = "One of my own."\n')
    code, out, _ = say("list")
    rows = {line.split()[0]: " ".join(line.split()) for line in out.splitlines() if line[0] != " "}
    assert code == 0
    assert rows["anchored_gru"].startswith("anchored_gru network challenger A small pooled GRU")
    assert rows["combined"].startswith("combined combined founder The mean of")
    assert rows["mine"] == "mine network One of my own."


def test_a_file_that_cannot_be_read_is_listed_beside_the_others(say, recipes):
    (recipes / "mine.toml").write_text('from = "lstn"\n')
    code, out, _ = say("list")
    words = " ".join(out.split())
    assert code == 0
    assert "cannot be read:" in words
    assert "no recipe 'lstn'; nearest: lstm" in words
    assert "anchored_gru" in words


def test_one_is_shown_with_the_file_of_each_value_and_its_size(say, recipes):
    file = recipes / "mine.toml"
    file.write_text('from = "lstm"\n[network]\nhidden = 5\n')
    code, out, _ = say("show", "mine")
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert code == 0
    assert rows["network.hidden"] == ["network.hidden", "5", str(file)]
    assert rows["network.cell"][:2] == ["network.cell", '"lstm"']
    assert rows["network.cell"][2].endswith("recipes/lstm.toml")
    assert int(rows["parameters"][1].replace(",", "")) > 0


def test_the_count_of_parameters_is_that_of_the_network_that_is_trained(home):
    from cbi_pipeline.features import panel_spec
    from cbi_pipeline.operations.training_data import feature_set
    from cbi_pipeline.operations.try_recipe import count_parameters

    pipeline = Pipeline(Settings(home=home))
    recipe = load_recipe("lstm", pipeline)
    spec = panel_spec(pipeline.catalogue, feature_set(pipeline.catalogue))
    trained = [one for one in recipe.build(spec).parameters() if one.requires_grad]
    assert count_parameters(recipe, pipeline) == sum(one.numel() for one in trained)
    assert count_parameters(load_recipe("har", pipeline), pipeline) is None


def test_a_file_is_checked_before_it_is_used(say, recipes, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('from = "lstm"\n[network]\nhidden = 5\n')
    code, out, _ = say("check", str(file))
    assert code == 0
    assert out.startswith("mine is a recipe: ")
    assert f"copy it into {recipes} to use it" in out


def test_what_is_wrong_with_it_is_said_with_the_field(say, home, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('from = "lstm"\n[network]\nhiden = 5\n')
    code, _, err = say("check", str(file))
    assert code == 2
    assert str(file) in err
    assert "Recipe.network.hiden: this version has no such field" in err


@pytest.mark.parametrize("command", ["show", "cost", "try"])
def test_a_name_that_is_none_is_refused_with_the_nearest(say, home, command):
    code, _, err = say(command, "lstn")
    assert code == 2
    assert "no recipe 'lstn'; nearest: lstm" in err


@pytest.mark.parametrize("command", ["cost", "try"])
def test_without_data_it_is_said_what_to_run_first(say, home, command):
    code, _, err = say(command, "lstm")
    assert code == 2
    assert "run `cbi run` first" in err


@pytest.mark.slow
def test_cost_and_worth_of_a_recipe_that_the_catalogue_does_not_name(
    say, one_night, tmp_path, monkeypatch
):
    monkeypatch.setenv("CBI_HOME", str(copied(one_night, tmp_path / ".cbi")))
    monkeypatch.setenv("CBI_CATALOGUE_FILE", "small.toml")
    code, out, err = say("cost", "har")
    assert code == 0, err
    assert "refits" in out
    assert "to go" in out
    code, out, err = say("try", "har")
    assert code == 0, err
    assert out.startswith("CRPS skill of har")
    assert re.search(
        r"^wti: [1-9] origins to \d{4}-\d\d-\d\d, which the gate never reads", out, re.M
    )
    assert "nothing was recorded" in out
