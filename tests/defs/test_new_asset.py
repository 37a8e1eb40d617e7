"""An asset of one's own is a file in a folder, found by the loader, in a copy of the package."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from cbi_pipeline.settings import PROJECT_ROOT

ASSET = """
import dagster as dg

from cbi_pipeline.operations.pipeline import Pipeline


@dg.asset(
    key=["desk", "watched"],
    deps=[dg.AssetKey(["issued", "forecast"])],
    group_name="desk",
    owners=["team:cocoa"],
)
def watched(pipeline: dg.ResourceParam[Pipeline]) -> dg.MaterializeResult[None]:
    \"\"\"How many commodities the desk watches.\"\"\"
    return dg.MaterializeResult(metadata={"watched": len(pipeline.catalogue.commodities)})
"""
RUN = """
import json
import dagster as dg
from cbi_pipeline.definitions import defs
found, key = defs(), dg.AssetKey(["desk", "watched"])
node = found.resolve_asset_graph().get(key)
with dg.DagsterInstance.ephemeral() as instance:
    done = found.get_implicit_global_asset_job_def().execute_in_process(
        instance=instance, asset_selection=[key]
    )
    event = instance.get_latest_materialization_event(key)
print(json.dumps({
    "success": done.success,
    "after": [one.to_user_string() for one in node.parent_keys],
    "stage": node.tags["cbi/stage"],
    "owners": list(node.owners),
    "watched": event.asset_materialization.metadata["watched"].value,
}))
"""


@pytest.fixture
def copy(tmp_path):
    """The package as it is, and the file beside its stages."""
    for name in ("cbi_pipeline", "data_contracts"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT_ROOT / name, tmp_path / name, ignore=ignored)
    folder = tmp_path / "cbi_pipeline" / "defs" / "desk"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "assets.py").write_text(ASSET)
    return tmp_path


@pytest.mark.slow
def test_a_file_in_a_stage_of_its_own_is_found_and_runs(copy):
    own = {"CBI_HOME": str(copy / "home"), "PYTHONPATH": str(copy)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN],
        cwd=copy,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "success": True,
        "after": ["issued/forecast"],
        "stage": "desk",
        "owners": ["team:cocoa"],
        "watched": 2,
    }
