"""The Python that the notebook's page shows runs as it stands, on a home of one night."""

import numpy as np
import pytest

from cbi_pipeline.settings import PROJECT_ROOT
from tests.docs.commands import python_of
from tests.system.homes import copied

PAGE = PROJECT_ROOT / "docs" / "notebook.md"


@pytest.fixture(scope="module")
def names(one_night, tmp_path_factory):
    """What the page's Python has bound when it is through."""
    folder = tmp_path_factory.mktemp("notebook")
    home = copied(one_night, folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"CBI_HOME": str(home), "CBI_CATALOGUE_FILE": "small.toml"}.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        bound: dict[str, object] = {}
        exec(compile(python_of(PAGE), str(PAGE), "exec"), bound)
        yield bound


@pytest.mark.slow
def test_each_commodity_with_rows_is_forecast_at_every_horizon(names):
    quantiles = names["forecasts"].q_NHQ
    panel, fold = names["panel"], names["fold"]
    assert quantiles.shape[:2] == (len(fold.test_rows), len(panel.spec.horizons))
    assert (np.diff(quantiles) >= 0).all()


@pytest.mark.slow
def test_the_curve_has_the_untrained_network_and_every_epoch(names):
    curve, recipe = names["result"].curve, names["recipe"]
    assert [epoch.epoch for epoch in curve] == list(range(recipe.training.max_epochs + 1))
    assert np.isfinite([epoch.validation_loss for epoch in curve]).all()


@pytest.mark.slow
def test_a_saved_model_forecasts_to_the_bit_what_it_did(names):
    for before, after in zip(names["forecasts"], names["again"], strict=True):
        np.testing.assert_array_equal(before, after)
