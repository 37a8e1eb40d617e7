"""The registered champion in another environment, which has nothing but its folder."""

import json
import subprocess
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cbi_pipeline.settings import PROJECT_ROOT
from tests.strangers import make_stranger

pytestmark = pytest.mark.slow

PROGRAM = """
import json, sys

stored, folder, *absent = sys.argv[1:]
# None in this table is a module that cannot be imported.
sys.modules |= dict.fromkeys(absent)
import mlflow, pandas

model = mlflow.pyfunc.load_model(stored)
exact = {"dtype": False, "precise_float": True}
frames = {
    "parquet": pandas.read_parquet(f"{folder}/frame.parquet"),
    "csv": pandas.read_csv(f"{folder}/frame.csv"),
    "json": pandas.read_json(f"{folder}/frame.json", **exact),
    "jsonl": pandas.read_json(f"{folder}/frame.jsonl", lines=True, **exact),
}
said = {name: model.predict(frame) for name, frame in frames.items()}
print(json.dumps({
    "prices": {name: [price.hex() for price in one["price"]] for name, one in said.items()},
    "columns": list(said["csv"].columns),
    "example": len(model.predict(model.input_example)),
    "code": sys.modules["cbi_pipeline.forecasting"].__file__,
}))
"""


@pytest.fixture(scope="module")
def exported(undisturbed, tmp_path_factory) -> Path:
    """The frame in every format, as the command writes it."""
    folder = tmp_path_factory.mktemp("exported")
    for suffix in ("parquet", "csv", "json", "jsonl"):
        done = undisturbed.cbi("panel", "export", str(folder / f"frame.{suffix}"))
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def stranger(tmp_path_factory) -> Path:
    return make_stranger(tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module")
def required(undisturbed) -> list[Requirement]:
    """What the versions say that they need."""
    stored = list(undisturbed.settings.mlflow_dir.glob("**/models/*/artifacts/requirements.txt"))
    lines = {line for file in stored for line in file.read_text().splitlines()}
    return [Requirement(line) for line in lines]


@pytest.fixture(scope="module")
def told(undisturbed, exported, stranger, required) -> dict:
    """What the champion said there, with nothing but its requirements and what these require."""
    needed = closure({canonicalize_name(one.name) for one in required})
    absent = [
        module
        for module, owners in metadata.packages_distributions().items()
        if module != "cbi_pipeline" and not needed & set(map(canonicalize_name, owners))
    ]
    stored = undisturbed.cbi("models", "uri").stdout.splitlines()[0]
    done = subprocess.run(
        [stranger, "-W", "ignore", "-c", PROGRAM, stored, exported, *absent],
        cwd=exported,
        env={"PATH": "/usr/bin:/bin", "HOME": str(exported)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_code_that_speaks_travelled_with_the_version(told):
    assert not Path(told["code"]).is_relative_to(PROJECT_ROOT / "cbi_pipeline")
    assert "target_session" in told["columns"]
    assert told["example"] == len(told["prices"]["csv"])


def test_every_format_of_the_exported_frame_predicts_the_same_to_the_bit(told):
    parquet, *others = (told["prices"][name] for name in ("parquet", "csv", "json", "jsonl"))
    assert len(parquet) > 0
    assert others == [parquet] * 3


def test_the_requirements_of_a_version_are_those_installed_and_no_package_of_ours(required):
    assert {one.name for one in required} >= {"mlflow", "torch"}
    for one in required:
        assert str(one.specifier) == f"=={metadata.version(one.name).partition('+')[0]}"
        assert one.name != "cbi-pipeline"


def closure(names: set[str]) -> set[str]:
    """The packages and all that they require."""
    missing, whole = set(names), set()
    while missing:
        whole |= missing
        lines = [line for name in missing for line in metadata.requires(name) or []]
        wanted = (
            one
            for one in map(Requirement, lines)
            if one.marker is None or one.marker.evaluate({"extra": ""})
        )
        missing = {canonicalize_name(one.name) for one in wanted} - whole
    return whole
