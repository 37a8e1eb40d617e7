"""A home outlives changed configurations: the package is copied, edited, and opens it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cbi_pipeline.registry import Registry, RegistryUnreadable, find_version
from cbi_pipeline.settings import PROJECT_ROOT
from tests.old_home import expected, unpack_home
from tests.registry import world
from tests.system.homes import Home

ADDED = {
    "recipe.py": (
        "    precision: Literal[",
        "    label_smoothing: float = 0.0\n    precision: Literal[",
    ),
    "networks/recurrent.py": (
        "    layers: Count = 1\n",
        "    layers: Count = 1\n    gain: float = 1.0\n",
    ),
}
GONE = "    skip_limit: Natural = 5\n"
LOOK = """
import json, sys
from pathlib import Path
import mlflow.pyfunc
import cbi_pipeline
from cbi_pipeline.registry import Registry, RegistryError, find_version
from cbi_pipeline.settings import load_settings

settings = load_settings()
registry = Registry(settings.mlflow_uri, settings.mlflow_dir / "artifacts")
said = {"package": cbi_pipeline.__file__}
for version in registry.versions():
    one = said[version.version] = {"recipe_id": version.recipe_id}
    try:
        model = registry.load(version.version)
    except RegistryError as error:
        one["refused"] = f"{type(error).__name__}: {error}"
        continue
    one["identity"] = model.recipe.identity()
    one["fingerprint"] = model.fingerprint() == version.fingerprint
    where = {"state": version.state, "panel_spec_id": version.panel_spec_id, "code": version.code}
    same = find_version(registry, model.recipe, **where)
    one["matched"] = same.version if same else None
    pyfunc = mlflow.pyfunc.load_model(str(registry.find_folder(version.version)))
    one["forecast"] = pyfunc.predict(pyfunc.input_example).drop(
        columns=["origin_session", "target_session"]
    ).values.tolist()
print(json.dumps(said))
"""


def edited(folder: Path, changes: dict[str, tuple[str, str]]) -> Path:
    """A copy of the project's packages with other configurations."""
    for name in ("cbi_pipeline", "data_contracts"):
        skip = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT_ROOT / name, folder / name, ignore=skip)
    shutil.copy(PROJECT_ROOT / "requirements.lock", folder)
    for name, (old, new) in changes.items():
        path = folder / "cbi_pipeline" / "forecasting" / name
        text = path.read_text()
        assert text.count(old) == 1, name
        path.write_text(text.replace(old, new))
    return folder


def call(place: Path, home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **home.variables, "CBI_HOME": str(home.path)}
    environment["PYTHONPATH"] = str(place)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def look(place: Path, home: Home) -> dict[str, dict[str, object]]:
    done = call(place, home, "-c", LOOK)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said.pop("package").startswith(str(place))
    return said


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Home:
    return unpack_home(tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def grown(tmp_path_factory) -> Path:
    """The package with two more options."""
    return edited(tmp_path_factory.mktemp("grown"), ADDED)


@pytest.fixture(scope="module")
def shrunk(tmp_path_factory) -> Path:
    """The package with two more options and one less."""
    folder = edited(tmp_path_factory.mktemp("shrunk"), ADDED)
    path = folder / "cbi_pipeline/forecasting/recipe.py"
    text = path.read_text()
    assert GONE in text
    path.write_text(text.replace(GONE, ""))
    return folder


@pytest.mark.slow
def test_two_more_options_leave_every_version_readable_and_named_alike(home, grown):
    today, later = look(PROJECT_ROOT, home), look(grown, home)
    assert set(today) == {"1", "2"}
    assert later == today
    for number, one in later.items():
        assert one["fingerprint"]
        assert one["matched"] == int(number)


@pytest.mark.slow
def test_one_option_less_is_refused_by_name_with_the_version_that_wrote_it(home, shrunk):
    said = look(shrunk, home)
    registry = Registry(home.settings.mlflow_uri, home.settings.mlflow_dir / "artifacts")
    for number in ("1", "2"):
        wrote = registry.trace(number).tags["git_commit"]
        refusal = said[number]["refused"]
        assert refusal.startswith("RegistryUnreadable: version ")
        assert "Recipe.training.skip_limit: this version has no such field" in refusal
        assert f"commit {wrote}" in refusal
        assert "\n" not in refusal


@pytest.mark.slow
def test_commands_say_so_in_one_line_and_show_the_last_forecast(home, shrunk):
    doctor = call(shrunk, home, "-m", "cbi_pipeline.cli", "doctor")
    assert "Traceback" not in doctor.stderr
    assert re.search(r"skip_limit: this\s+version has no such field", doctor.stdout)
    for line in (["models", "list"], ["forecast", "--json"]):
        done = call(shrunk, home, "-m", "cbi_pipeline.cli", *line)
        assert done.returncode == 0, done.stderr
    (now,), (then,) = (
        json.loads(done.stdout)["commodities"],
        expected()["forecast"]["commodities"],
    )
    assert now["horizons"] == then["horizons"]


@pytest.mark.slow
def test_a_night_goes_on_without_the_champion_that_it_cannot_read(shrunk, tmp_path):
    home = unpack_home(tmp_path)
    # One by choice alone would give way to the founder of this release.
    promoted = home.cbi("models", "promote", "2", "--reason", "narrower bands")
    assert promoted.returncode == 0, promoted.stderr
    for name in ("train.py", "stacked.py"):
        path = shrunk / "cbi_pipeline/forecasting" / name
        path.write_text(path.read_text().replace("self.training.skip_limit", "5"))
    done = call(shrunk, home, "-m", "cbi_pipeline.cli", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "against version 2. The promoted one was not compared: " in said
    assert "skip_limit: this version has no such field" in said


def test_an_old_version_is_matched_by_its_recipe_although_ids_are_made_otherwise(home):
    registry = Registry(home.settings.mlflow_uri, home.settings.mlflow_dir / "artifacts")
    for version in registry.versions():
        recipe = registry.load(version.version).recipe
        assert recipe.identity() != version.recipe_id
        same = {
            "state": version.state,
            "panel_spec_id": version.panel_spec_id,
            "code": version.code,
        }
        assert find_version(registry, recipe, **same) == version
        assert find_version(registry, recipe.with_training(seed=9), **same) is None
        assert find_version(registry, recipe, **{**same, "state": "another"}) is None


def test_a_new_version_says_what_wrote_it_and_where(registry):
    provenance = world.dataclasses.replace(world.PROVENANCE, git_commit="abc", git_dirty=True)
    made = registry.register(world.forecaster(), **world.candidate(provenance=provenance))
    tags = registry.trace(made.version).tags
    assert tags["product"].startswith("cbi-pipeline ")
    assert tags["device"] == "cpu"
    assert "cpu" not in json.dumps(registry.load(made.version).recipe.to_json())
    with registry._open_stored(registry._client(), registry._find(registry._client(), 1)) as folder:
        saved = json.loads((folder / "artifacts/forecaster/forecaster.json").read_text())
    assert saved["written_by"] == {"product": tags["product"], "commit": "abc with changes"}


def test_a_version_with_an_option_of_another_version_is_refused_as_unreadable(
    registry, monkeypatch
):
    from cbi_pipeline.forecasting.forecaster import Forecaster

    made = registry.register(world.forecaster(), **world.candidate())
    broken = "Recipe.gate: this version has no such field"

    def refuse(*arguments, **names):
        raise ValueError(broken)

    monkeypatch.setattr(Forecaster, "load", refuse)
    with pytest.raises(RegistryUnreadable, match=f"version 1 of .* cannot be read: {broken}"):
        registry.load(made.version)


@pytest.mark.parametrize("file", ["calendar.json", "panel.json", "forecaster/forecaster.json"])
def test_a_stranger_is_refused_a_damaged_file(house, file):
    import mlflow.pyfunc

    from tests.registry.test_loading import changed, stored_folder

    folder = stored_folder(house, 2)
    path = folder / "artifacts" / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    with changed(path, bytes(data)), pytest.raises(ValueError, match=str(path)):
        mlflow.pyfunc.load_model(str(folder))
