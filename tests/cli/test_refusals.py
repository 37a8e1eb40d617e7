"""What a user can mend ends in one line that says how, and exit code 2."""

import shutil
from pathlib import Path

import pytest

from cbi_pipeline.settings import PACKAGED_ARCHIVE
from tests.catalogues import ALONE


@pytest.mark.parametrize(
    "arguments",
    [
        ["forecast"],
        *(
            pytest.param(arguments, marks=pytest.mark.slow)
            for arguments in (
                ["report"],
                ["quarantine", "list"],
                ["models", "list"],
                ["models", "uri"],
                ["ledger", "verify"],
                ["panel", "export", "rows.parquet"],
            )
        ),
    ],
)
def test_before_any_run_a_command_says_to_run_first(cbi, home, arguments):
    done = cbi(*arguments, home=home)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "cbi run" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["frobnicate"], "frobnicate"),
        (["forecast", "--comodity", "wti"], "--comodity"),
        (["forecast", "extra"], "extra"),
        (["models", "uri", "a", "b"], "b"),
        (["panel", "export", "rows.txt"], "rows.txt"),
        (["feeds", "parse", "nosuch", __file__], "nosuch"),
        (["ui", "--dagster-port", "99999"], "99999"),
        (["ui", "--allowed-host", "http://desk.example.com"], "http://desk.example.com"),
    ],
)
def test_wrong_arguments_are_named_in_one_line(cbi_here, home, arguments, named):
    done = cbi_here(*arguments, home=home)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert named in done.stderr


def test_a_broken_catalogue_is_named(cbi_here, home, tmp_path):
    broken = tmp_path / "catalogue.toml"
    broken.write_text("commodity = [")
    done = cbi_here("forecast", home=home, CBI_CATALOGUE_FILE=str(broken))
    assert done.returncode == 2
    assert str(broken) in done.stderr


def test_a_profile_that_does_not_exist_is_refused_with_those_there_are(cbi_here, home):
    done = cbi_here("doctor", home=home, CBI_PROFILE="bogus")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "CBI_PROFILE" in done.stderr
    assert "'archive', 'public' or 'live'" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "liquid = true",
            "liqid = true",
            "wti: liquid is missing; liqid is no field of it",
        ),
        ('"1m" = 4', '"2m" = 4', "gasoline_mn: it has the horizons 1w, 2m, 1q"),
    ],
    ids=["a mistyped field", "other horizon labels"],
)
def test_a_wrong_entry_of_the_catalogue_is_named_with_its_field(
    cbi_here, home, tmp_path, old, new, words
):
    file = tmp_path / "catalogue.toml"
    file.write_text(ALONE.replace(old, new, 1))
    done = cbi_here("forecast", home=home, CBI_CATALOGUE_FILE=str(file))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert str(file) in done.stderr
    assert words in done.stderr


@pytest.mark.parametrize("command", ["run", "forecast"])
def test_without_the_record_of_the_archive_its_path_is_named(cbi_here, tmp_path, command):
    archive = shutil.copytree(PACKAGED_ARCHIVE, tmp_path / "archive")
    (archive / "PROVENANCE.toml").unlink()
    home = tmp_path / "home"
    done = cbi_here(command, home=home, CBI_ARCHIVE_DIR=str(archive))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"{archive / 'PROVENANCE.toml'} is missing" in done.stderr


def test_an_import_needs_no_record_of_the_archive(cbi_here, tmp_path):
    file = tmp_path / "own.csv"
    file.write_text("period,value\n2019-01-02,50\n")
    stated = ("--series", "DESK.OWN", "--unit", "USD/bbl", "--source", "desk")
    archive = {"CBI_ARCHIVE_DIR": str(tmp_path)}
    done = cbi_here("feeds", "import", "csv", str(file), *stated, home=tmp_path / "home", **archive)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 versions added" in done.stdout


@pytest.mark.parametrize("command", ["run", "forecast", "doctor", "quarantine list"])
def test_a_home_below_a_plain_file_is_refused(cbi_here, tmp_path, command):
    file = tmp_path / "file"
    file.touch()
    done = cbi_here(*command.split(), home=file / "home")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"CBI_HOME: {file} is a file" in done.stderr


def test_a_home_that_the_system_refuses_to_make_is_named(cbi_here):
    # No user may make a folder there, not even root.
    done = cbi_here("run", home=Path("/proc/cbi"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "CBI_HOME: /proc/cbi cannot be made" in done.stderr


@pytest.mark.parametrize("name", ["nosuch", "file/below"])
def test_contracts_are_not_written_where_no_folder_can_be(cbi_here, home, tmp_path, name):
    (tmp_path / "nosuch").symlink_to(tmp_path / "nosuch")
    (tmp_path / "file").touch()
    done = cbi_here("contracts", "export", str(tmp_path / name), home=home)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"{tmp_path / name} cannot be written" in done.stderr


@pytest.mark.parametrize("name", ["", "nosuch"], ids=["a folder", "nothing"])
def test_only_a_file_is_parsed(cbi_here, home, tmp_path, name):
    done = cbi_here("feeds", "parse", "archive", str(tmp_path / name), home=home)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert str(tmp_path / name) in done.stderr


def test_the_live_profile_without_a_key_says_which_and_where_to_get_it(cbi_here, home):
    done = cbi_here("run", home=home, CBI_PROFILE="live", EIA_API_KEY="")
    assert done.returncode == 2
    assert "EIA_API_KEY is not set" in done.stderr
    assert "eia.gov/opendata" in done.stderr


def test_doctor_says_what_is_missing_and_fails(cbi_here, home):
    done = cbi_here("doctor", home=home / "whose" / "parents" / "are" / "missing")
    assert done.returncode == 1
    assert "cbi run" in done.stdout
    assert "GiB free" in done.stdout


def test_doctor_never_shows_a_key(cbi_here, home):
    key = "sentinel0123456789abcdef0123456789abcdef"
    done = cbi_here("doctor", home=home, EIA_API_KEY=key)
    assert "EIA_API_KEY  set" in done.stdout
    assert key not in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["run", "forecast", "models", "feeds", "quarantine", "report"])
def test_help_explains_every_command(cbi_here, home, command):
    done = cbi_here(command, "--help", home=home)
    assert done.returncode == 0
    assert "Usage" in done.stdout
