"""Code that is changed and forecasts the same keeps what earlier code has made."""

import pytest

from cbi_pipeline.code_closure import follow_imports
from cbi_pipeline.evaluation import estimator_of, hash_model_code, is_reproduced, plan
from cbi_pipeline.evaluation.models.ewma import Ewma
from cbi_pipeline.evaluation.models.garch import Garch
from cbi_pipeline.evaluation.walk_forward import walk_forward
from cbi_pipeline.forecasting.models.climatology import Climatology
from cbi_pipeline.forecasting.models.garch import GarchRecipe
from tests.evaluation import panels
from tests.evaluation.test_walk_forward import Recorder
from tests.recipes import tiny


@pytest.fixture(scope="module")
def panel():
    return panels.panel()


@pytest.fixture(scope="module")
def planned(panel):
    return plan(panel, panels.catalogue(), panels.rows(panel))


def finish(panel, planned, contender, folder) -> None:
    """Finish its folds under the code called ``one``."""
    walk_forward(
        panel,
        [contender],
        planned,
        targets=panels.targets(panel),
        evaluation_id="e",
        cache_dir=folder,
        code={contender.name: "one"},
    )


def look(panel, planned, contender, folder, code="one"):
    known = panels.targets(panel)
    return is_reproduced(panel, contender, planned, code, targets=known, cache_dir=folder)


class Shifted(Recorder):
    """Forecasts a little more than it did."""

    def forecast(self, panel, fold, folder):
        forecasts = super().forecast(panel, fold, folder)
        return forecasts._replace(q_NHQ=forecasts.q_NHQ + 1e-12)


def test_the_same_forecasts_are_reproduced(panel, planned, tmp_path):
    finish(panel, planned, Ewma(), tmp_path)
    assert look(panel, planned, Ewma(), tmp_path) is True


def test_forecasts_that_differ_in_their_last_digits_are_not(panel, planned, tmp_path):
    finish(panel, planned, Recorder(), tmp_path)
    assert look(panel, planned, Shifted(), tmp_path) is False


def test_one_fold_alone_is_computed(panel, planned, tmp_path):
    finish(panel, planned, Recorder(), tmp_path)
    again = Recorder()
    assert look(panel, planned, again, tmp_path) is True
    assert len(again.folds) == 1


def test_nothing_is_said_of_code_that_finished_no_fold(panel, planned, tmp_path):
    finish(panel, planned, Ewma(), tmp_path)
    assert look(panel, planned, Ewma(), tmp_path, code="another") is None
    assert look(panel, planned, Climatology(), tmp_path) is None


def test_each_kind_of_model_rests_on_code_of_its_own():
    kinds = (Garch(), Ewma(), Climatology(), estimator_of(tiny("f-1")))
    assert len({hash_model_code(one) for one in kinds}) == len(kinds)
    gjr = Garch(GarchRecipe(name="gjr_t", asymmetric=True))
    assert hash_model_code(gjr) == hash_model_code(Garch())


@pytest.mark.parametrize("kind", [Climatology, Ewma, Garch])
def test_a_statistical_model_does_not_rest_on_the_code_of_networks(kind):
    modules, _ = follow_imports(kind().modules, ["cbi_pipeline"])
    assert "cbi_pipeline.forecasting.models.model" in modules
    assert not [one for one in modules if ".networks" in one or ".train" in one]
