"""Models kept by a tracking server: MLflow's own, on loopback, asked by us and by a stranger."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cbi_pipeline.registry import Registry, RegistryDamaged
from cbi_pipeline.registry.errors import RegistryUnreachable
from tests.registry import world
from tests.registry.conftest import evidence
from tests.system.pages import free_port

pytestmark = pytest.mark.slow

STRANGER = """
import mlflow
model = mlflow.pyfunc.load_model("models:/cbi-forecaster@champion")
print(len(model.predict(model.input_example)), model.metadata.run_id)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The address of a server whose files lie in a folder of its own."""
    port = free_port()
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    store = ["--backend-store-uri", f"sqlite:///{folder}/their.db"]
    files = ["--artifacts-destination", str(folder / "theirs")]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--port", str(port), *store, *files],
        env={**os.environ, **quiet},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    own = f"http://127.0.0.1:{port}"
    while not answers(own):
        assert process.poll() is None, "the server ended"
        time.sleep(0.5)
    yield own
    os.killpg(process.pid, signal.SIGTERM)
    process.wait()


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def served(address: str, folder: Path) -> Registry:
    """A champion and another version on the server."""
    registry = Registry(address, folder / "home" / "mlflow" / "artifacts")
    champion = registry.register(world.forecaster(1), **world.candidate(**evidence()))
    registry.set_alias("champion", champion.version)
    registry.register(world.forecaster(2), **world.candidate(state="6" * 64))
    return registry


def test_a_stranger_loads_the_champion_by_its_name(served: Registry, tmp_path: Path) -> None:
    variables = {"PATH": os.environ["PATH"], "MLFLOW_TRACKING_URI": served.tracking_uri}
    # -I keeps the project off the path, so that the code carried by the version is used.
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", STRANGER],
        env=variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines, run = done.stdout.split()
    assert int(lines) > 0
    assert run == served.champion().run_id


def test_a_version_loads_traces_and_takes_a_decision(served: Registry) -> None:
    assert served.load("champion").fingerprint() == world.forecaster(1).fingerprint()
    decision = served.trace(1).decision
    assert decision is not None
    assert decision["decision_id"] == world.decision("tiny", "first")["decision_id"]
    served.record(world.decision("tiny", "hold", version=2))
    assert served.get(2).decided.startswith("hold")


def test_the_same_model_is_registered_once(served: Registry) -> None:
    again = served.register(world.forecaster(2), **world.candidate(state="6" * 64))
    assert again.version == 2


def test_no_file_is_kept_at_home(served: Registry) -> None:
    assert [path.name for path in served.artifacts_dir.iterdir()] == [".registry.lock"]
    assert served.find_folder(1) is None


def test_a_file_changed_on_the_server_is_noticed(served: Registry, folder: Path) -> None:
    model = served.get(2).model_id
    (weights,) = (folder / "theirs").glob(f"**/{model}/**/weights.safetensors")
    before = weights.read_bytes()
    weights.write_bytes(b"other")
    with pytest.raises(RegistryDamaged, match=r"weights\.safetensors is not the file"):
        served.load(2)
    weights.write_bytes(before)


def test_a_server_that_is_away_is_named(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(RegistryUnreachable, match=f"{address} does not answer"):
        Registry(address, tmp_path / "artifacts").get(1)
