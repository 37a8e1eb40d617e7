"""A group is one declaration: its columns say what they are, and the page says the same."""

import math
import subprocess
import sys

import numpy as np
import pytest

from cbi_pipeline import features
from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.features import expressions as e
from cbi_pipeline.features import feature_set, find_groups, page
from cbi_pipeline.features.expressions import Rhythm, column_of, leaf_names
from cbi_pipeline.features.feature_sets import CORE_1, named_groups
from cbi_pipeline.features.group import (
    Column,
    OwnSession,
    RelatedSession,
    Report,
    Series,
    transform_of,
)
from cbi_pipeline.forecasting.models.recipe import NO_FEATURES
from cbi_pipeline.settings import PROJECT_ROOT

RHYTHMS = [Rhythm(252, 260), Rhythm(52, 104)]
COLUMNS = [
    pytest.param(column, rhythm, id=f"{column.name}-{rhythm.year}")
    for group in find_groups().values()
    for column in group.columns
    for rhythm in RHYTHMS
]


def computed(column: Column, rhythm: Rhythm, size: int, changed: int = 0) -> np.ndarray:
    """The column of a made-up record whose oldest ``changed`` values are others."""
    dice = np.random.default_rng(5)
    names = leaf_names([column.expression])
    value = 50 + np.cumsum(dice.normal(0, 0.2, (700, len(names))), axis=0)[:size]
    value[:changed] *= dice.uniform(0.7, 1.3, (changed, len(names)))
    if not isinstance(column.source, Report):
        value = value[:, 0]
    step = 7
    if isinstance(column.source, Series) and column.source.grid == "month":
        days = np.datetime64("1990-01", "M") + np.arange(size)
        period = days.astype("datetime64[D]").astype(np.int64)
    else:
        period = 7000 + step * np.arange(size)
    return transform_of(column.source, [column.expression], rhythm)(period, value)[:, 0]


def test_the_page_of_features_is_current():
    assert (PROJECT_ROOT / "docs" / "features.md").read_text() == page.page()


@pytest.mark.parametrize(("column", "rhythm"), COLUMNS)
def test_a_column_has_its_first_value_where_its_warm_up_says(column, rhythm):
    first = np.flatnonzero(np.isfinite(computed(column, rhythm, 600)))[0]
    assert first + 1 == column.reach(rhythm).warm_up


@pytest.mark.parametrize(("column", "rhythm"), COLUMNS)
def test_a_column_reads_its_window_and_nothing_before_it(column, rhythm):
    size, window = 700, column.reach(rhythm).window
    newest = computed(column, rhythm, size)[-1]
    if math.isinf(window):
        assert computed(column, rhythm, size, changed=300)[-1] != newest
        return
    before = size - int(window)
    assert computed(column, rhythm, size, changed=before)[-1] == pytest.approx(newest, rel=1e-9)
    if column.source != OwnSession() or "season" not in column.name:
        assert computed(column, rhythm, size, changed=before + 1)[-1] != newest


def test_a_column_of_two_sources_is_refused():
    own, other = (column_of(source(), "price") for source in (OwnSession, RelatedSession))
    with pytest.raises(ValueError, match="spread reads 2 sources"):
        _ = Column("spread", "USD/bbl", e.minus(own, other), "spread").source


def test_a_series_on_a_grid_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="grid 'fortnight'"):
        Series("stocks", "stocks", "fortnight", "eia_wpsr")


def test_the_archive_reads_the_core_groups_and_a_live_market_data_of_its_own_beside_them():
    assert feature_set(load_catalogue()).features == CORE_1.features
    live = feature_set(load_catalogue(profile="live"))
    assert live.read[: len(CORE_1.read)] == CORE_1.read
    assert {group.name for group in live.read} - {group.name for group in CORE_1.read} == {
        "positions",
        "own_supply",
        "gas_storage",
    }


def test_the_live_markets_are_set_against_the_market_that_they_are_tied_to():
    catalogue = load_catalogue(profile="live")
    assert {one.id: one.related for one in catalogue.commodities} == {
        "wti": "brent",
        "brent": "wti",
        "henry_hub": "propane_mb",
        "gasoline_nyh": "wti",
        "heating_oil_nyh": "wti",
        "diesel_nyh": "wti",
        "jet_fuel_gulf": "wti",
        "propane_mb": "henry_hub",
    }


@pytest.mark.parametrize("name", features.__all__)
def test_every_name_of_the_package_is_there(name):
    assert getattr(features, name) is not None


def test_a_catalogue_is_checked_without_loading_torch():
    code = (
        "import sys; import cbi_pipeline.operations; from cbi_pipeline import features; "
        "features.find_groups(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT).returncode == 0


def test_without_groups_a_feature_set_has_the_name_that_recipes_of_prices_alone_carry():
    # `features` loads without torch, so the two cannot share the constant.
    assert feature_set(load_catalogue().select_groups(())).name == NO_FEATURES
    assert named_groups(NO_FEATURES) == ()
