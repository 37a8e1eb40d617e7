"""After one run every command answers from what the run left."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cbi_pipeline.cli import invoke
from tests.defs.trees import footprint
from tests.system.homes import copied


def test_the_summary_names_rows_state_version_verdict_and_report(cbi, finished):
    done = cbi("run", home=finished)
    assert done.returncode == 0, done.stderr
    for word in ("18,422", "quarantined", "state", "version 1", "gate", "wti 1w", "gasoline_mn 1q"):
        assert word in done.stdout
    assert str(finished / "reports" / "morning-2020-02-12.html") in done.stdout.replace("\n", "")


def test_a_second_run_has_nothing_to_do_and_writes_nothing(cbi, finished):
    # The first one in a copied home makes Dagster's settings its own.
    cbi("run", home=finished)
    before = footprint(finished)
    done = cbi("run", home=finished)
    assert "nothing to do" in done.stdout
    assert footprint(finished) == before


def test_the_forecast_as_json_has_every_commodity_horizon_and_rising_quantiles(cbi, finished):
    told = json.loads(cbi("forecast", "--json", home=finished).stdout)
    assert [one["commodity"] for one in told["commodities"]] == ["wti", "gasoline_mn"]
    for one in told["commodities"]:
        assert [outlook["horizon"] for outlook in one["horizons"]] == ["1w", "1m", "1q"]
        for outlook in one["horizons"]:
            prices = list(outlook["quantiles"].values())
            assert prices == sorted(prices)
            assert prices[0] < one["origin_price"] * 1.2
            assert outlook["target_session"] > one["origin_session"]


@pytest.mark.slow
def test_the_forecast_of_one_commodity_leaves_the_others_out(cbi_here, finished):
    told = json.loads(cbi_here("forecast", "--commodity", "wti", "--json", home=finished).stdout)
    assert [one["commodity"] for one in told["commodities"]] == ["wti"]


def test_an_unknown_commodity_is_refused_with_those_there_are(cbi_here, finished):
    done = cbi_here("forecast", "--commodity", "gold", home=finished)
    assert done.returncode == 2
    assert "wti, gasoline_mn" in done.stderr


@pytest.mark.slow
def test_the_printed_folder_loads_in_a_program_that_knows_nothing_else(cbi, finished):
    folder = cbi("models", "uri", home=finished).stdout.splitlines()[0]
    program = (
        "import mlflow, sys; model = mlflow.pyfunc.load_model(sys.argv[1]); "
        "print(list(model.predict(model.input_example).columns))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, folder],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "'quantile', 'price'" in done.stdout


def test_the_first_version_is_champion_and_says_that_it_was_not_tested(cbi_here, finished):
    listed = cbi_here("models", "list", home=finished).stdout
    first = next(line for line in listed.splitlines() if line.startswith("1 "))
    assert "champion" in first
    assert "prior is the first" in listed


@pytest.mark.slow
def test_the_report_is_written_again(cbi, finished):
    done = cbi("report", home=finished)
    assert done.returncode == 0
    page = (finished / "reports" / "latest.html").read_text()
    assert "historical demonstration, data as of" in page


@pytest.mark.slow
def test_a_folder_that_may_only_be_read_is_named(finished):
    reports = finished / "reports"
    reports.chmod(0o500)
    # Root may write anywhere, unless it gives that right away.
    bound = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*bound, sys.executable, "-m", "cbi_pipeline.cli", "report"],
        env={**os.environ, "CBI_HOME": str(finished), "CBI_CATALOGUE_FILE": "small.toml"},
        capture_output=True,
        text=True,
    )
    reports.chmod(0o700)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"{reports}/" in done.stderr
    assert "Permission denied" in done.stderr


def test_ledger_verify_passes_and_names_a_changed_forecast(cbi, finished, tmp_path):
    assert cbi("ledger", "verify", home=finished).returncode == 0
    copy = tmp_path / "home"
    subprocess.run(["cp", "-a", str(finished), str(copy)], check=True)
    file = copy / "issued" / "forecasts.jsonl"
    file.write_bytes(file.read_bytes().replace(b"gasoline_mn", b"gasoline_mm", 1))
    done = cbi("ledger", "verify", home=copy)
    assert done.returncode == 1
    assert done.stderr


@pytest.mark.slow
def test_doctor_is_content(cbi_here, finished):
    assert cbi_here("doctor", home=finished).returncode == 0


@pytest.mark.slow
def test_doctor_names_a_file_that_the_champion_lost(cbi_here, finished, tmp_path):
    home = copied(finished, tmp_path / "home")
    for model in (home / "mlflow").rglob("model.json"):
        model.unlink()
    done = cbi_here("doctor", home=home)
    assert done.returncode == 1
    assert "model.json is missing" in done.stdout


@pytest.mark.slow
def test_a_home_copied_whole_needs_nothing(cbi_here, finished, tmp_path):
    home = tmp_path / "home"
    subprocess.run(["cp", "-a", str(finished), str(home)], check=True)
    assert cbi_here("doctor", home=home).returncode == 0
    assert Path(cbi_here("models", "uri", home=home).stdout.strip()).is_relative_to(home)
    assert cbi_here("panel", "export", str(tmp_path / "panel.csv"), home=home).returncode == 0
    assert Path(cbi_here("models", "uri", home=finished).stdout.strip()).is_relative_to(finished)


@pytest.mark.slow
def test_the_exported_panel_has_one_line_per_commodity_and_session(cbi_here, finished, tmp_path):
    import polars as pl

    target = tmp_path / "panel.parquet"
    assert cbi_here("panel", "export", str(target), home=finished).returncode == 0
    frame = pl.read_parquet(target)
    assert frame.select("commodity", "session").is_unique().all()
    assert {"price", "variance_ewma"} <= set(frame.columns)


def test_a_person_promotes_and_takes_back_on_the_record(finished, monkeypatch, capsys):
    def said(*arguments):
        capsys.readouterr()
        return invoke(list(arguments)), " ".join("".join(capsys.readouterr()).split())

    for name, value in (
        ("CBI_HOME", str(finished)),
        ("CBI_CATALOGUE_FILE", "small.toml"),
        ("LOGNAME", "ada"),
    ):
        monkeypatch.setenv(name, value)
    assert said("models", "promote", "1", "--reason", "why not") == (
        2, "cbi: version 1 is the champion already"
    )  # fmt: skip
    assert "no version 9" in said("models", "promote", "9", "--reason", "x")[1]
    assert said("models", "rollback", "--reason", "x")[0] == 2
    assert said("models", "promote", "2", "--reason", " ")[0] == 2
    code, told = said("models", "promote", "2", "--reason", "tails")
    assert code == 0
    assert "version 2, tiny, is champion now" in told
    listed = said("models", "list")[1]
    assert "promote, ada:" in listed
    assert "tails" in listed
    code, told = said("models", "rollback", "--reason", "too wide")
    assert code == 0
    assert "version 1, prior, is champion now (before: version 2, tiny)" in told
    assert said("models", "rollback", "--reason", "again")[0] == 2


def test_the_reason_of_a_promotion_is_listed_as_it_was_written(cbi_here, finished):
    reason = "see [/desk/notes], [n/a]"
    assert cbi_here("models", "promote", "2", "--reason", reason, home=finished).returncode == 0
    listed = cbi_here("models", "list", home=finished)
    assert cbi_here("models", "rollback", "--reason", "[/x]", home=finished).returncode == 0
    assert listed.returncode == 0
    assert "[/desk/notes]" in listed.stdout
    assert "[n/a]" in listed.stdout


def test_a_panel_is_not_written_into_a_folder_that_is_not_there(cbi_here, finished, tmp_path):
    target = tmp_path / "nosuch" / "rows.csv"
    done = cbi_here("panel", "export", str(target), home=finished)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"{target} cannot be written" in done.stderr
