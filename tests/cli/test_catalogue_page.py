"""What docs/catalogue.md tells a reader to write and to type, written and typed as it stands."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from cbi_pipeline.catalogue import load_catalogue, load_feeds, read_recipe
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.recipes import load_recipe
from cbi_pipeline.settings import PROJECT_ROOT, Settings
from tests.catalogues import write_layer

PAGE = (PROJECT_ROOT / "docs" / "catalogue.md").read_text()
ANCHORS = (PROJECT_ROOT / "docs" / "anchors.md").read_text()
FILES = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
(COMMANDS,) = re.findall(r"```sh\n(.*?)```", PAGE, re.S)


def written(start: str) -> str:
    (block,) = (block for block in FILES if block.startswith(start))
    return block


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(_env_file=None, home=tmp_path / "home")


@pytest.mark.slow
@pytest.mark.parametrize("line", COMMANDS.splitlines())
def test_each_command_prints_values_with_their_files(settings, line):
    file = write_layer(settings.home, written("# own.toml"))
    command, *arguments = shlex.split(line)
    assert command == "cbi"
    done = subprocess.run(
        [sys.executable, "-m", "cbi_pipeline.cli", *arguments],
        env={**os.environ, "CBI_HOME": str(settings.home)},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows = [" ".join(row.split()) for row in done.stdout.splitlines()]
    if arguments[-1] == "evaluation":
        assert any(row.startswith("origins 20 ") and row.endswith("small.toml") for row in rows)
    else:
        assert f"stale_after_days 30 {file}" in rows
        assert any(row.startswith('unit "USD/bbl" ') and str(file) not in row for row in rows)


def test_its_file_follows_one_commodity_more_and_changes_another(settings):
    write_layer(settings.home, written("# own.toml"))
    catalogue = load_catalogue(*settings.catalogue_files)
    assert [one.id for one in catalogue.commodities] == ["wti", "gasoline_mn", "own_gas"]
    assert catalogue.commodity("wti").stale_after_days == 30


def test_its_lines_of_groups_are_those_of_a_commodity(settings):
    line = written("groups.")
    write_layer(settings.home, f'[[profile.live.commodity]]\nid = "brent"\n{line}')
    read = load_catalogue(*settings.catalogue_files, profile="live").commodity("brent").groups
    assert set(read) == {"petroleum_weekly", "positions"}


def test_its_feed_keeps_a_series_for_its_reason(settings):
    write_layer(settings.home, written("[feed.eia]"))
    eia, *_ = load_feeds(*settings.catalogue_files)
    assert eia.keep == {"EIA.WGTSTUS1": "the desk's own sheet reads it"}


def test_the_recipe_of_the_page_on_anchors_adjusts_the_combined_forecast(settings):
    file = settings.catalogue_dir / "recipes" / "anchored_lstm.toml"
    file.parent.mkdir(parents=True)
    (block,) = re.findall(r"```toml\n(.*?)```", ANCHORS, re.S)
    file.write_text(block)
    recipe = load_recipe("anchored_lstm", Pipeline(settings))
    assert (recipe.anchor.name, recipe.network.cell) == ("combined", "lstm")


def test_its_recipe_may_be_named_as_a_challenger(settings):
    file = settings.catalogue_dir / "recipes" / "short_lstm.toml"
    file.parent.mkdir(parents=True)
    file.write_text(written("# recipes/short_lstm.toml"))
    write_layer(settings.home, '[evaluation]\nchallengers = ["short_lstm", "tiny"]\n')
    assert read_recipe("short_lstm", *settings.recipe_folders).source == file
    assert load_recipe("short_lstm", Pipeline(settings)).window == 16
