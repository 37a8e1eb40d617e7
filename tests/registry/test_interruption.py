from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from cbi_pipeline.registry import Registry
from tests.commands import Program
from tests.registry import world

QUICK = ("create_model_version",)
REST = (
    "log_batch",
    "set_terminated",
    "create_registered_model",
    "create_run",
    "create_logged_model",
    "log_outputs",
    "log_artifacts",
    "finalize_logged_model",
    "set_logged_model_tags",
)
STEPS = (*QUICK, *(pytest.param(step, marks=pytest.mark.slow) for step in REST))
COMMITTED = ("set_logged_model_tags", "set_terminated")
KILLED = """
import os, signal, sys
from pathlib import Path
from mlflow import MlflowClient
from cbi_pipeline.registry import Registry
from tests.registry import world
after, uri, artifacts = sys.argv[1:]
genuine = getattr(MlflowClient, after)
def step(*a, **k):
    genuine(*a, **k)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(MlflowClient, after, step)
registry = Registry(uri, Path(artifacts), after.replace("_", "-"))
registry.register(world.forecaster(), **world.candidate())
"""


class PulledPlug(BaseException):
    """Stops a registration where it stands, past every ``except Exception``."""


def check_whole(registry: Registry) -> None:
    """Exactly one version that loads; one finished run; no files of another."""
    assert [version.version for version in registry.versions()] == [1]
    assert registry.load(1).fingerprint() == world.forecaster().fingerprint()
    client = MlflowClient(registry.tracking_uri)
    experiment = client.get_experiment_by_name(registry.name)
    runs = client.search_runs([experiment.experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"]
    models = client.search_logged_models([experiment.experiment_id])
    assert [str(model.status) for model in models] == ["READY"]
    assert models[0].tags["mlflow.modelVersions"]
    folder = registry.artifacts_dir / registry.name
    kept = {path.relative_to(folder).parts[:2] for path in folder.rglob("*") if path.is_file()}
    assert kept == {("models", models[0].model_id), (runs[0].info.run_id, "artifacts")}
    assert not list(registry.artifacts_dir.glob(".registering-*"))


def interrupted(registry: Registry, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def plug(*_: object, **__: object) -> None:
        raise PulledPlug

    with monkeypatch.context() as patch:
        owner = LocalArtifactRepository if step == "log_artifacts" else MlflowClient
        patch.setattr(owner, step, plug)
        with pytest.raises(PulledPlug):
            registry.register(world.forecaster(), **world.candidate())


@pytest.mark.parametrize("step", STEPS)
def test_an_interrupted_registration_leaves_no_half_version_and_is_completed(
    registry: Registry, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(registry, step, monkeypatch)
    assert [found.version for found in registry.versions()] == ([1] if step in COMMITTED else [])
    registry.register(world.forecaster(), **world.candidate())
    check_whole(registry)


@pytest.mark.slow
def test_a_half_built_database_is_never_at_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(f"sqlite:///{tmp_path}/store/mlflow.db", tmp_path / "artifacts")
    interrupted(registry, "search_experiments", monkeypatch)
    assert registry.versions() == []
    assert not (tmp_path / "store" / "mlflow.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize("step", ["log_batch", "finalize_logged_model", "create_model_version"])
def test_a_registration_killed_after_a_step_is_completed_by_the_next(
    tmp_path: Path, step: str
) -> None:
    address = f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "artifacts")
    killed = Program(KILLED, (step, *address), os.environ, tmp_path / "cwd").wait()
    assert killed.returncode == -signal.SIGKILL
    registry = Registry(address[0], Path(address[1]), step.replace("_", "-"))
    before = [found.version for found in registry.versions()]
    assert before == ([1] if step == "create_model_version" else [])
    registry.register(world.forecaster(), **world.candidate())
    check_whole(registry)


@pytest.mark.slow
def test_a_registration_prints_nothing_and_writes_only_where_told(tmp_path: Path) -> None:
    code = KILLED.replace("os.kill(os.getpid(), signal.SIGKILL)", "pass")
    arguments = ("set_terminated", f"sqlite:///{tmp_path}/mlflow.db", "../art")
    done = Program(code, arguments, os.environ, tmp_path / "cwd").wait()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list((tmp_path / "cwd").iterdir())
