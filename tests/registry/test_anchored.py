"""A network over an anchor in the registry: the version carries what it adjusts."""

import dataclasses
import os
import subprocess
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest

from cbi_pipeline.evaluation import estimator_of
from cbi_pipeline.features import panel_from_frame
from cbi_pipeline.forecasting import make_final_fold
from cbi_pipeline.registry.frame import model_input
from tests.evaluation.models import blend
from tests.recipes import tiny
from tests.registry import world
from tests.registry.test_pyfunc import check_figures
from tests.strangers import make_stranger

ROWS = 420
STRANGER = """
import sys
sys.modules["arch"] = None  # whoever imports it fails
import mlflow.pyfunc
model = mlflow.pyfunc.load_model(sys.argv[1])
model.predict(model.input_example).to_pickle(sys.argv[2])
print(sys.modules["cbi_pipeline.forecasting"].__file__)
"""


@pytest.fixture(scope="module")
def frame():
    return world.panel_frame(rows=ROWS)


@pytest.fixture(scope="module")
def fitted(frame):
    """A network that was trained on random outcomes, over the combined forecast."""
    panel = world.train_panel(frame)
    now = int(panel.decision_at_R.max())
    fold = make_final_fold(panel, now, embargo_days=1, validation_share=0.2)
    recipe = dataclasses.replace(tiny(world.SPEC.feature_set), anchor=blend().recipe)
    return estimator_of(recipe.with_training(shrinkage=(1.0,))).fit(panel, fold).model


@pytest.fixture(scope="module")
def registry(fitted, frame, new_registry):
    registry = new_registry()
    registry.register(fitted, **world.candidate(panel_frame=frame))
    return registry


def expect(fitted, frame):
    panel = panel_from_frame(frame, world.SPEC)
    return fitted.predict(panel, world.origins(panel))


def test_its_version_forecasts_as_the_model_does(registry, fitted, frame):
    served = mlflow.pyfunc.load_model(str(registry.find_folder(1)))
    check_figures(served.predict(model_input(frame, world.SPEC)), expect(fitted, frame))
    again = registry.load(1)
    assert again.recipe == fitted.recipe
    panel = panel_from_frame(frame, world.SPEC)
    said = again.predict(panel, world.origins(panel))
    assert all(np.array_equal(a, b) for a, b in zip(said, expect(fitted, frame), strict=True))


@pytest.mark.slow
def test_an_environment_without_arch_and_this_project_forecasts_the_same_bits(
    registry, fitted, frame, tmp_path
):
    said, folder = tmp_path / "said.pkl", registry.find_folder(1)
    done = subprocess.run(
        [make_stranger(tmp_path / "environment"), "-I", "-c", STRANGER, str(folder), str(said)],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    code = Path(done.stdout.splitlines()[-1])
    assert code.is_relative_to(folder)
    check_figures(pd.read_pickle(said), expect(fitted, frame))


def test_its_example_is_the_whole_record_that_the_anchor_reads(registry):
    served = mlflow.pyfunc.load_model(str(registry.find_folder(1)))
    counts = served.input_example.groupby("commodity").size().to_dict()
    assert counts == {"wti": ROWS, "gasoline_mn": ROWS}


def test_a_frame_of_fewer_rows_is_refused_by_commodity_and_number(registry, frame):
    served = mlflow.pyfunc.load_model(str(registry.find_folder(1)))
    short = frame.group_by("commodity", maintain_order=True).tail(100)
    with pytest.raises(ValueError, match=f"has 100 rows, the model reads {ROWS}"):
        served.predict(model_input(short, world.SPEC))
