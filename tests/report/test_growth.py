"""What the page costs grows no faster than the commodities on it; counted, never timed."""

import json
import subprocess
import sys

import pytest

from cbi_pipeline.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def costs() -> list[dict]:
    command = [sys.executable, "-m", "benchmarks.report", "--quick", "--json", "-"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_question_is_asked_once_however_many_commodities_there_are(costs):
    assert [one["repeated"] for one in costs] == [0, 0, 0]
    assert len({one["questions"] for one in costs}) == 1


def test_twice_the_commodities_are_at_most_twice_the_calls(costs):
    one, two, four = (cost["calls"] for cost in costs)
    assert four - two <= 2.05 * (two - one)
