"""Boosted trees in the registry: the version carries the code and names the library it needs."""

import os
import subprocess
from pathlib import Path

import mlflow.pyfunc
import pandas as pd
import pytest

from cbi_pipeline.evaluation.models.boosted import Boosted, BoostedRecipe
from cbi_pipeline.forecasting import make_final_fold
from tests.registry import world
from tests.registry.test_pyfunc import check_figures
from tests.strangers import make_stranger

lightgbm = pytest.importorskip("lightgbm", reason="the extra `boost` is not installed")

STRANGER = """
import sys
import mlflow.pyfunc
model = mlflow.pyfunc.load_model(sys.argv[1])
model.predict(model.input_example).to_pickle(sys.argv[2])
print(sys.modules["cbi_pipeline.evaluation.models.boosted"].__file__)
"""


@pytest.fixture(scope="module")
def frame():
    return world.panel_frame(rows=420)


@pytest.fixture(scope="module")
def fitted(frame):
    panel = world.train_panel(frame)
    now = int(panel.decision_at_R.max())
    fold = make_final_fold(panel, now, embargo_days=1, validation_share=0.2)
    boosted = Boosted(BoostedRecipe(name="boosted", feature_set=world.SPEC.feature_set))
    return boosted.fit(panel, fold).model


@pytest.fixture(scope="module")
def folder(fitted, frame, new_registry):
    registry = new_registry()
    registry.register(fitted, **world.candidate(panel_frame=frame))
    return registry.find_folder(1)


@pytest.fixture(scope="module")
def expected(fitted, frame):
    panel = world.train_panel(frame)
    return fitted.predict(panel, world.origins(panel))


def test_a_version_of_boosted_trees_forecasts_as_they_do(folder, expected):
    served = mlflow.pyfunc.load_model(str(folder))
    check_figures(served.predict(served.input_example), expected)


def test_it_requires_the_library_of_boosted_trees(folder):
    required = (folder / "requirements.txt").read_text().splitlines()
    assert f"lightgbm=={lightgbm.__version__}" in required


@pytest.mark.slow
def test_a_stranger_forecasts_by_boosted_trees_with_the_code_in_the_version(
    folder, expected, tmp_path
):
    library = Path(lightgbm.__file__).parents[1]
    python = make_stranger(tmp_path / "environment", library)
    said = tmp_path / "said.pkl"
    done = subprocess.run(
        [python, "-I", "-c", STRANGER, str(folder), str(said)],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[-1]).is_relative_to(folder)
    check_figures(pd.read_pickle(said), expected)
