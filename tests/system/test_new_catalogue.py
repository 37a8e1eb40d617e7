"""A catalogue that was changed after a night: all that depends on it is made again, and agrees."""

import json

import polars as pl
import pytest

from cbi_pipeline.operations.walk_forward_store import read_forecasts
from cbi_pipeline.registry import sort_decisions
from cbi_pipeline.warehouse import Warehouse
from tests.catalogues import write_layer
from tests.system.homes import Home, copied

pytestmark = pytest.mark.slow


@pytest.fixture
def finished(one_night, tmp_path) -> Home:
    return Home(copied(one_night, tmp_path / ".cbi"))


WTI = '[[commodity]]\nid = "wti"\n'


def changed(home: Home, text: str) -> Home:
    """The home with a catalogue file of its own."""
    write_layer(home.path, text)
    return home


def test_other_horizons_are_judged_trained_and_forecast_beside_the_old_ones(finished):
    home = changed(finished, f'{WTI}horizons = {{ "1w" = 10, "1m" = 21, "1q" = 63 }}\n')
    home.run()
    with Warehouse(home.settings.warehouse_dir).read() as store:
        ruled = sort_decisions(store.table("registry.decision"))
        evidence = ruled.filter(pl.col("who") == "gate")["evaluation_id"][-1]
        judged = read_forecasts(store, evidence)
        said = store.table("issued.forecast", "commodity = 'wti' AND track = 'live'")
    assert ruled["evaluation_id"][0] != evidence
    assert set(judged.filter(pl.col("commodity") == "wti")["horizon"]) == {10, 21, 63}
    assert set(said["horizon"]) == {5, 10, 21, 63}
    page = (home.settings.reports_dir / "latest.html").read_text()
    assert evidence[:12] in page
    refused = home.cbi("models", "rollback", "--reason", "as before")
    assert refused.returncode == 2
    assert "change the catalogue back first" in refused.stderr
    changed(finished, "").run()
    assert json.loads(finished.cbi("forecast", "--json").stdout)["model_version"] == "1"
    with Warehouse(home.settings.warehouse_dir).read() as store:
        newest = sort_decisions(store.table("registry.decision")).filter(pl.col("who") == "gate")
    assert newest["evaluation_id"][-1] == ruled["evaluation_id"][0]


def test_a_run_says_which_features_it_built_anew_and_why(finished):
    home = changed(finished, 'remove = ["commodity.gasoline_mn.related"]\n')
    lines = [line for line in home.run().stdout.splitlines() if line.startswith("features  ")]
    assert len(lines) == 1
    assert lines[0].startswith("features  related_price of gasoline_mn built anew: ")
    assert "wti" in lines[0].partition("anew: ")[2]
    assert "features  " not in home.run().stdout


def test_a_commodity_never_changes_its_series_unseen(finished):
    home = changed(finished, f'{WTI}price_series = "EIA.WCRFPUS2"\nunit = "kb/d"\n')
    done = home.cbi("run")
    assert done.returncode == 1
    words = "Cushing spot cannot be made: it has been forecast from EIA.RWTC here"
    assert f"wti prices: the prices of WTI crude oil, {words}" in done.stderr
    assert "features__row" not in done.stderr
