"""The registered champion in a process that knows the tracking address and nothing else."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
import mlflow

mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/cbi-forecaster@champion")
out = model.predict(model.input_example)
print(sorted(out.columns), len(out), int(out["price"].notna().sum()))
assert "cbi_pipeline" not in sys.modules
"""


def test_the_champion_forecasts_its_own_example_in_a_fresh_process(undisturbed, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, undisturbed.settings.mlflow_uri],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    columns, rows, priced = done.stdout.strip().rsplit(" ", 2)
    assert "'target_session'" in columns
    assert int(rows) == int(priced) > 0
