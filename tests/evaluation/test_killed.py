"""A walk-forward whose process is killed goes on where it was."""

import subprocess
import sys

import pytest

from cbi_pipeline.evaluation import plan, walk_forward
from cbi_pipeline.evaluation.models.ewma import Ewma
from cbi_pipeline.settings import PROJECT_ROOT
from tests.evaluation import panels

PROGRAM = """
import sys, time
from pathlib import Path
from cbi_pipeline.evaluation import plan, walk_forward
from cbi_pipeline.evaluation.models.ewma import Ewma
from tests.evaluation import panels

def slowly(done):
    print(done.fold, flush=True)
    time.sleep(0.3)

panel = panels.panel()
planned = plan(panel, panels.catalogue(), panels.rows(panel))
walk_forward(
    panel,
    [Ewma()],
    planned,
    targets=panels.targets(panel),
    evaluation_id="e",
    cache_dir=Path(sys.argv[1]),
    on_fold=slowly,
)
"""


@pytest.mark.slow
def test_a_killed_walk_forward_computes_only_the_folds_it_had_not_finished(tmp_path):
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=PROJECT_ROOT, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    finished = [running.stdout.readline().strip() for _ in range(3)]
    running.kill()
    running.communicate()
    panel = panels.panel()
    planned = plan(panel, panels.catalogue(), panels.rows(panel))
    seen = []
    common = {"targets": panels.targets(panel), "evaluation_id": "e"}
    resumed = walk_forward(
        panel, [Ewma()], planned, cache_dir=tmp_path, on_fold=seen.append, **common
    )
    assert [done.fold for done in seen if done.cached] == finished
    assert len(seen) > len(finished)
    assert resumed.equals(walk_forward(panel, [Ewma()], planned, **common))
