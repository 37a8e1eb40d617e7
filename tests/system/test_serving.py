"""The registered champion in a process that knows the tracking address and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from cbi_pipeline.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow

# The project's own folder is taken out, so that the version's travelling code must do.
PROGRAM = """
import sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
sys.path = [place for place in sys.path if place != sys.argv[2]]
import mlflow

mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/cbi-forecaster@champion")
out = model.predict(model.input_example)
print(sorted(out.columns), len(out), int(out["price"].notna().sum()))
print(sys.modules["cbi_pipeline.forecasting"].__file__)
"""


def test_the_champion_forecasts_its_own_example_in_a_fresh_process(undisturbed, tmp_path):
    places = (undisturbed.settings.mlflow_uri, str(PROJECT_ROOT))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, *places],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told, code = done.stdout.strip().splitlines()
    assert not Path(code).is_relative_to(PROJECT_ROOT / "cbi_pipeline")
    columns, rows, priced = told.rsplit(" ", 2)
    assert "'target_session'" in columns
    assert int(rows) == int(priced) > 0
