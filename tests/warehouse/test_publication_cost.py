"""A publication writes what has changed, however large the warehouse is; bytes, never seconds."""

import json
import subprocess
import sys

import pytest

from cbi_pipeline.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow


def test_three_times_the_warehouse_is_not_more_to_write():
    command = [sys.executable, "-m", "benchmarks.publication", "--quick", "--json", "-"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    small, large = json.loads(done.stdout)
    assert large["megabytes"] > 2 * small["megabytes"]
    assert large["copied_bytes"] > 2 * small["copied_bytes"]
    assert large["published_bytes"] < 1.5 * small["published_bytes"]
