"""A challenger of three levels: a night scores it, shows it apart and forecasts with another."""

import polars as pl
import pytest

from cbi_pipeline.catalogue._recipes import find_recipes
from cbi_pipeline.warehouse import Warehouse
from tests.system.homes import Home, copied

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def night(one_night, tmp_path_factory):
    home = Home(copied(one_night, tmp_path_factory.mktemp("few") / ".cbi"))
    recipe = home.settings.catalogue_dir / "recipes" / "tiny.toml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(f"levels = [0.1, 0.5, 0.9]\n{find_recipes()['tiny'].read_text()}")
    home.run()
    return home


def test_the_gate_and_the_page_say_that_it_stands_apart(night):
    with Warehouse(night.settings.warehouse_dir).read() as store:
        ruled = store.table("registry.decision").filter(who="gate", recipe="tiny")
    newest = ruled.sort("decided_at").row(-1, named=True)
    assert (newest["verdict"], newest["level_left"]) == ("apart", None)
    assert "stands apart: 3 levels" in newest["reason"]
    page = (night.settings.reports_dir / "latest.html").read_text()
    assert "tiny; stands apart: 3 levels" in page
    assert "Stands apart: too few levels for a champion." in page


def test_its_scores_stand_beside_those_of_the_others(night):
    with Warehouse(night.settings.warehouse_dir).read() as store:
        scores = store.table("evaluation.score", "recipe = 'tiny'")
    newest = scores.filter(pl.col("metric") == "levels", commodity="*", horizon="*")
    assert set(newest["value"]) == {3.0}
    metrics = scores.join(newest, on="evaluation_id", how="semi")["metric"]
    assert {"crps", "coverage_80", "skill_vs_prior"} <= set(metrics)


def test_its_version_cannot_be_made_champion_by_hand(night):
    with Warehouse(night.settings.warehouse_dir).read() as store:
        number = store.table("registry.version").filter(recipe="tiny")["version"].max()
    done = night.cbi("models", "promote", str(number), "--reason", "three levels are enough")
    assert done.returncode == 2
    assert f"version {number} stands apart" in done.stderr
