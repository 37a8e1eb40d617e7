"""Rules of the house that no linter knows."""

import ast
import fnmatch
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.instance.ref import InstanceRef
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cbi_pipeline.commands.doctor import PACKAGE_DATA
from cbi_pipeline.settings import PROJECT_ROOT

PACKAGES = ("cbi_pipeline", "data_contracts")
PROJECT = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())
SOURCES = sorted(path for name in PACKAGES for path in (PROJECT_ROOT / name).rglob("*.py"))
# A value as long as a key, with quotes around it or without.
SECRET = re.compile(
    r"(?i)-----BEGIN [A-Z ]*PRIVATE KEY|"
    r"(?:api[_-]?key|token|secret|password)[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9_-]{32,}"
)
PINS = dict(
    re.fullmatch(r"([A-Za-z0-9_.\-]+)==([^\s;+]+)", line).groups()
    for line in (PROJECT_ROOT / "requirements.lock").read_text().splitlines()
    if line and not line.startswith("#")
)


def tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT_ROOT,
        capture_output=True,
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    paths = (PROJECT_ROOT / name for name in listing.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


def functions(tree: ast.Module) -> list[ast.FunctionDef]:
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_a_file_stays_under_400_lines_and_its_functions_under_60(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for function in functions(ast.parse(text)):
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= 60, f"{function.name} has {lines} lines"


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.is_relative_to(PROJECT_ROOT / "cbi_pipeline" / "defs")],
    ids=lambda path: str(path.relative_to(PROJECT_ROOT)),
)
def test_the_definitions_folder_holds_dagster_and_nothing_else(path):
    tree = ast.parse(path.read_text())
    if path.name == "__init__.py":
        assert len(tree.body) == 1  # its docstring
    else:
        assert {"dagster", "dagster_shared"} & imported(tree)


def test_the_body_of_an_asset_has_ten_lines_at_most():
    bodies = {}
    for path in SOURCES:
        for function in functions(ast.parse(path.read_text())):
            marks = {ast.unparse(mark).partition("(")[0] for mark in function.decorator_list}
            if marks & {"dg.asset", "dg.multi_asset"}:
                first = function.body[1 if ast.get_docstring(function) else 0]
                bodies[function.name] = (function.end_lineno or 0) - first.lineno + 1
    assert len(bodies) >= 10
    assert {name: lines for name, lines in bodies.items() if lines > 10} == {}


def secrets(paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        if path.suffix in {".gz", ".xz", ".png", ".zip", ".parquet"}:
            continue
        text = path.read_text(errors="replace")
        found += [f"{path}: {match.group()[:20]}" for match in SECRET.finditer(text)]
    return found


def test_the_tree_holds_no_secret():
    # On an empty listing the rule would be silent.
    assert PROJECT_ROOT / "pyproject.toml" in tracked()
    assert secrets(tracked()) == []


@pytest.mark.parametrize(
    "line",
    [
        "EIA_API_KEY={key}",
        "export EIA_API_KEY='{key}'",
        'CFTC_APP_TOKEN = "{key}"',
        "https://api.eia.gov/v2/petroleum?api_key={key}&start=2020",
        '{{"api_key": "{key}"}}',
        "password: {key}",
        "-----BEGIN {kind} KEY-----",
    ],
)
def test_a_planted_secret_is_found(tmp_path, line):
    # Put together here, so that this file keeps the rule itself.
    planted = line.format(key="0aB3" * 10, kind="RSA PRIVATE")
    path = tmp_path / "notes.txt"
    path.write_text(f"first\n{planted}\nlast\n")
    (found,) = secrets([path])
    assert found.startswith(str(path))


@pytest.mark.parametrize("line", ["EIA_API_KEY=", "#EIA_API_KEY=", "token = next(tokens)"])
def test_the_name_of_a_secret_is_none(tmp_path, line):
    path = tmp_path / "notes.txt"
    path.write_text(f"{line}\n")
    assert secrets([path]) == []


def test_no_private_file_is_tracked():
    names = {str(path.relative_to(PROJECT_ROOT)) for path in tracked()}
    assert not [name for name in names if name == ".env" or name.startswith((".cbi/", ".venv/"))]


def test_workspace_and_pyproject_name_the_same_location():
    workspace = yaml.safe_load((PROJECT_ROOT / "workspace.yaml").read_text())
    (entry,) = workspace["load_from"]
    project = PROJECT["tool"]["dg"]["project"]
    module = entry["python_module"]
    assert module["module_name"] == project["code_location_target_module"]
    assert module["location_name"] == project["code_location_name"]


def test_what_the_project_folder_holds_for_dagster_is_what_the_package_holds():
    for name in ("dagster.yaml", "workspace.yaml"):
        assert (PROJECT_ROOT / name).read_text() == (
            PROJECT_ROOT / "cbi_pipeline" / name
        ).read_text()
    packaged = tomllib.loads((PROJECT_ROOT / "cbi_pipeline" / "dg.toml").read_text())
    assert packaged == PROJECT["tool"]["dg"]


def test_doctor_looks_for_every_file_that_the_package_reads():
    files = {str(path.relative_to(PROJECT_ROOT)) for path in tracked()}
    inside = {name for name in files if name.split("/")[0] in PACKAGES}
    read = {name for name in inside if not name.endswith((".py", "py.typed"))}
    records = {name for name in read if "/archive_data/" in name}
    assert records
    assert set(PACKAGE_DATA) == read - records


def test_dagster_loads_with_no_variable_set_and_stays_inside_the_private_folder(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dagster.yaml").write_text((PROJECT_ROOT / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as instance:
        assert not instance.telemetry_enabled
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
        assert instance.run_monitoring_enabled
        assert instance.get_runs() == []
        assert Path(instance.storage_directory()).is_relative_to(".cbi/dagster")
    assert {path.name for path in tmp_path.iterdir()} == {"dagster.yaml", ".cbi"}


def test_every_dependency_is_pinned_to_a_version_that_suits():
    pins = {canonicalize_name(name): version for name, version in PINS.items()}
    declared = [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["dev"],
    ]
    for line in declared:
        requirement = Requirement(line)
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, line


def test_everything_imported_is_declared():
    project = PROJECT["project"]
    extras = (lines for name, lines in project["optional-dependencies"].items() if name != "dev")
    declared = {
        canonicalize_name(Requirement(line).name)
        for lines in (project["dependencies"], *extras)
        for line in lines
    }
    providers = metadata.packages_distributions()
    undeclared = set()
    for path in SOURCES:
        for name in imported(ast.parse(path.read_text())) - set(sys.stdlib_module_names):
            owners = {canonicalize_name(owner) for owner in providers.get(name, [name])}
            if name not in PACKAGES and not owners & declared:
                undeclared.add(f"{name} ({path.name})")
    assert undeclared == set()


def imported(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_the_lock_is_the_whole_closure():
    pins = {canonicalize_name(name) for name in PINS}
    missing = set()
    for name in PINS:
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if wanted and canonicalize_name(requirement.name) not in pins:
                missing.add(f"{requirement.name} (for {name})")
    assert missing == set()


def test_the_installed_environment_is_the_lock():
    installed = {name: metadata.version(name).split("+")[0] for name in PINS}
    assert installed == PINS


def test_every_data_file_of_a_package_is_packaged():
    patterns = [
        *PROJECT["tool"]["setuptools"]["package-data"]["*"],
        "*.py",
    ]
    inside = [path for path in tracked() if path.relative_to(PROJECT_ROOT).parts[0] in PACKAGES]
    left_out = [
        str(path)
        for path in inside
        if not any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns)
    ]
    assert left_out == []
