"""What doctor says of the installation itself."""

import sys

from cbi_pipeline.commands import doctor


def test_a_package_without_its_data_is_told_file_by_file_and_nothing_else_is_looked_at(
    cbi_here, home, tmp_path, monkeypatch
):
    monkeypatch.setattr(doctor, "PROJECT_ROOT", tmp_path)
    kept = tmp_path / "cbi_pipeline" / "catalogue.toml"
    kept.parent.mkdir()
    kept.touch()
    done = cbi_here("doctor", home=home)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("fix")]
    assert "cbi_pipeline/dagster.yaml" in line
    assert "data_contracts/versions.json" in line
    assert "catalogue.toml" not in line
    assert f"missing in {tmp_path}; install cbi-pipeline anew" in line


def test_definitions_that_do_not_load_are_told_with_their_reason(cbi_here, home, monkeypatch):
    monkeypatch.setitem(sys.modules, "cbi_pipeline.definitions", None)
    done = cbi_here("doctor", home=home)
    assert done.returncode == 1
    assert "fix  dagster      the definitions do not load: ModuleNotFoundError" in done.stdout


def test_the_instance_of_the_users_own_is_named(cbi_here, home, tmp_path):
    (tmp_path / "dagster.yaml").touch()
    done = cbi_here("doctor", home=home, DAGSTER_HOME=str(tmp_path))
    assert f"runs are kept in {tmp_path}" in done.stdout


def test_a_home_of_dagster_that_cannot_be_used_is_told(cbi_here, home, tmp_path):
    done = cbi_here("doctor", home=home, DAGSTER_HOME=str(tmp_path / "none"))
    assert done.returncode == 1
    assert f"fix  dagster      DAGSTER_HOME is {tmp_path / 'none'}" in done.stdout


def test_the_version_is_printed(cbi_here, home):
    from cbi_pipeline import __version__

    done = cbi_here("--version", home=home)
    assert (done.returncode, done.stdout) == (0, f"cbi {__version__}\n")
