"""``cbi forecast`` never shows nothing without saying why."""

from pathlib import Path

import pytest

from tests.old_home import unpack_home

NEW = """
[[commodity]]
id = "own_crude"
name = "Crude of our own"
unit = "USD/bbl"
price_series = "OWN.CRUDE"
calendar = "eia_spot_daily"
sessions_per_year = 252
horizons = {horizons}
liquid = false
stale_after_days = 21
"""


@pytest.fixture(scope="module")
def forecast_before(tmp_path_factory):
    """A home that was forecast before a commodity was added to its catalogue."""
    home = unpack_home(tmp_path_factory.mktemp("old"))
    file = Path(home.variables["CBI_CATALOGUE_FILE"])
    text = file.read_text()
    (horizons, *_) = (
        line.partition("=")[2].strip() for line in text.splitlines() if line.startswith("horizons")
    )
    entry = NEW.replace("{horizons}", horizons)
    first = text.index("[[commodity]]")
    file.write_text(text[:first] + entry + text[first:])
    return home


def test_a_commodity_that_the_newest_night_did_not_know_is_told_to_run(cbi_here, forecast_before):
    done = cbi_here(
        "forecast",
        "--commodity",
        "own_crude",
        home=forecast_before.path,
        **forecast_before.variables,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "own_crude was not in the catalogue when the newest forecasts were made" in done.stderr
    assert "run `cbi run`" in done.stderr


def test_a_commodity_that_is_in_no_catalogue_is_told_which_there_are(cbi_here, forecast_before):
    done = cbi_here(
        "forecast", "--commodity", "wtj", home=forecast_before.path, **forecast_before.variables
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "no commodity 'wtj' in the catalogue; there are: own_crude, wti" in done.stderr
