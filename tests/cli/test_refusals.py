"""What a user can mend ends in one line that says how, and exit code 2."""

import pytest


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
    ],
)
def test_wrong_arguments_are_named_in_one_line(cbi, home, arguments, named):
    done = cbi(*arguments, home=home)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert named in done.stderr


def test_a_broken_catalogue_is_named(cbi, home, tmp_path):
    broken = tmp_path / "catalogue.toml"
    broken.write_text("commodity = [")
    done = cbi("forecast", home=home, CBI_CATALOGUE_FILE=str(broken))
    assert done.returncode == 2
    assert str(broken) in done.stderr


def test_the_live_profile_without_a_key_says_which_and_where_to_get_it(cbi, home):
    done = cbi("run", home=home, CBI_PROFILE="live", EIA_API_KEY="")
    assert done.returncode == 2
    assert "EIA_API_KEY is not set" in done.stderr
    assert "eia.gov/opendata" in done.stderr


def test_doctor_says_what_is_missing_and_fails(cbi, home):
    done = cbi("doctor", home=home)
    assert done.returncode == 1
    assert "cbi run" in done.stdout


def test_doctor_never_shows_a_key(cbi, home):
    key = "sentinel0123456789abcdef0123456789abcdef"
    done = cbi("doctor", home=home, EIA_API_KEY=key)
    assert "EIA_API_KEY  set" in done.stdout
    assert key not in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["run", "forecast", "models", "feeds", "quarantine", "report"])
def test_help_explains_every_command(cbi, home, command):
    done = cbi(command, "--help", home=home)
    assert done.returncode == 0
    assert "Usage" in done.stdout
