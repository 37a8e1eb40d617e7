"""The wheel, installed away from the checkout: what a user of it meets.

Its environment is made for it, and holds nothing but the wheel; the libraries are those of the
environment that runs the tests, reached by a path that brings none of its own entries along.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

from cbi_pipeline.settings import PROJECT_ROOT
from tests.system.homes import PATIENCE_S
from tests.system.pages import Pages
from tests.test_house import tracked

pytestmark = pytest.mark.slow

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
LOCATIONS = (
    "{workspaceOrError{...on Workspace{locationEntries{name locationOrLoadError{"
    "__typename ...on RepositoryLocation{repositories{pipelines{name}}}}}}}}"
)


@dataclass(frozen=True)
class Installed:
    """An installed wheel and the folder that its user works in."""

    environment: Path
    folder: Path
    variables: dict[str, str]

    @property
    def packages(self) -> Path:
        (packages,) = self.environment.glob("lib/python3.*/site-packages")
        return packages

    def run(self, name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [self.environment / "bin" / name, *arguments],
            cwd=self.folder,
            env={**self.variables, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    def cbi(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        return self.run("cbi", *arguments, **variables)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    sources = tmp_path_factory.mktemp("sources")
    for path in tracked():
        target = sources / path.relative_to(PROJECT_ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    built = tmp_path_factory.mktemp("wheel")
    alone = ("--no-deps", "--no-build-isolation", "--no-index")
    subprocess.run([*PIP, "wheel", *alone, "--wheel-dir", built, sources], check=True)
    (wheel,) = built.glob("*.whl")
    shutil.rmtree(sources)
    return wheel


@pytest.fixture(scope="module")
def installed(wheel, records, tmp_path_factory) -> Installed:
    environment = tmp_path_factory.mktemp("installed") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    variables = {"PATH": "/usr/bin:/bin", "CBI_ARCHIVE_DIR": str(records)}
    found = Installed(environment, tmp_path_factory.mktemp("desk"), variables)
    libraries = Path(str(metadata.distribution("dagster").locate_file("")))
    (found.packages / "libraries.pth").write_text(f"{libraries}\n")
    python = environment / "bin" / "python"
    alone = ("--no-deps", "--no-index")
    subprocess.run([*PIP, "--python", python, "install", *alone, wheel], check=True)
    # What a user keeps beside the work, and what the package must find there.
    (found.folder / ".env").write_text("CBI_CATALOGUE_FILE=small.toml\n")
    return found


@pytest.fixture(scope="module")
def night(installed) -> Iterator[Installed]:
    done = installed.cbi("run")
    assert done.returncode == 0, done.stdout + done.stderr
    return installed


def test_nothing_of_the_checkout_is_reached(installed):
    program = "import cbi_pipeline, data_contracts as d; print(cbi_pipeline.__file__, d.__file__)"
    for path in installed.run("python", "-c", program).stdout.split():
        assert Path(path).is_relative_to(installed.packages)


def test_the_wheel_holds_no_test_or_benchmark(installed):
    names = {path.name for path in installed.packages.iterdir()}
    assert {name for name in names if "." not in name} == {"cbi_pipeline", "data_contracts"}


def test_doctor_names_the_installation_and_that_its_definitions_load(installed):
    said = installed.cbi("doctor").stdout
    assert f"installed in {installed.packages}" in said
    assert "ok   dagster      " in said


def test_doctor_names_a_file_that_the_package_lacks(installed):
    file = installed.packages / "cbi_pipeline" / "dagster.yaml"
    text = file.read_text()
    file.unlink()
    done = installed.cbi("doctor")
    file.write_text(text)
    assert done.returncode == 1
    assert f"cbi_pipeline/dagster.yaml missing in {installed.packages}" in done.stdout


def test_a_night_runs_and_keeps_to_the_working_folder(night):
    packages = {path for path in night.packages.rglob("*") if path.suffix != ".pyc"}
    assert {path.name for path in night.folder.iterdir()} == {".env", ".cbi"}
    assert "wti" in night.cbi("forecast").stdout
    assert night.cbi("run").stdout.startswith("nothing to do")
    assert {path for path in night.packages.rglob("*") if path.suffix != ".pyc"} == packages
    assert night.cbi("doctor").returncode == 0


def test_a_version_names_the_release_and_no_repository(night):
    program = (
        "from cbi_pipeline.settings import load_settings as s; from mlflow import MlflowClient;"
        "tags = MlflowClient(s().mlflow_uri).get_model_version('cbi-forecaster', '1').tags;"
        "print(tags.get('release'), tags.get('git_commit'), tags.get('lock'))"
    )
    said = night.run("python", "-W", "ignore", "-c", program).stdout
    assert said == f"cbi-pipeline {metadata.version('cbi-pipeline')} None None\n"


def test_a_relative_home_is_one_of_the_working_folder(installed):
    said = installed.cbi("doctor", CBI_HOME="elsewhere/home").stdout
    assert f"GiB free for {installed.folder / 'elsewhere' / 'home'}" in said


@pytest.mark.parametrize("how", ["by module", "by workspace"])
def test_dagsters_own_command_validates_the_definitions(installed, how):
    named = {
        "by module": ("-m", "cbi_pipeline.definitions"),
        "by workspace": ("-w", str(installed.packages / "cbi_pipeline" / "workspace.yaml")),
    }[how]
    done = installed.run("python", "-m", "dagster", "definitions", "validate", *named)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All code locations passed validation" in done.stdout + done.stderr


def test_the_pages_open_with_the_jobs_of_the_package(night):
    pages = Pages(night.variables, night.folder, [str(night.environment / "bin" / "cbi")])
    try:
        pages.await_open()
        (entry,) = pages.ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
    finally:
        pages.close()
    assert entry["name"] == "cbi_pipeline"
    (repository,) = entry["locationOrLoadError"]["repositories"]
    assert {"nightly", "ingest_archive"} <= {job["name"] for job in repository["pipelines"]}
    assert {path.name for path in night.folder.iterdir()} == {".env", ".cbi"}
