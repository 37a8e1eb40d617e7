"""What the version in use cannot read is forecast by the founding model until a version learns it.

Nights of the real command: the first ends with a version in use, the second has a commodity more
and another horizon of WTI, and its refresh is refused; the third accepts it.
"""

import json
from dataclasses import dataclass

import polars as pl
import pytest

from cbi_pipeline.issued import FOUNDING
from cbi_pipeline.registry import sort_decisions
from cbi_pipeline.warehouse import Warehouse
from tests.catalogues import write_layer
from tests.commands import CBI, Program
from tests.system.homes import Home, copied
from tests.system.own_history import OWN, history, imported

pytestmark = pytest.mark.slow

#: The same command where no refresh is good enough.
STRICT = f"from cbi_pipeline.evaluation import refresh; refresh.CRPS_MARGIN = -1.0; {CBI}"
LONGER = """
[[commodity]]
id = "wti"
horizons = { "1w" = 10, "1m" = 21, "1q" = 63 }
"""


@dataclass(frozen=True)
class Nights:
    """A home after each night: what was issued, what was said, what was decided."""

    home: Home
    said: dict[str, str]
    forecasts: dict[str, dict[str, dict]]
    speakers: dict[str, dict[str, str]]
    pages: dict[str, str]

    @property
    def decisions(self) -> pl.DataFrame:
        with Warehouse(self.home.settings.warehouse_dir).read() as store:
            return sort_decisions(store.table("registry.decision"))


def speakers(home: Home) -> dict[str, str]:
    """Who spoke last of each commodity."""
    with Warehouse(home.settings.warehouse_dir).read() as store:
        issued = store.table("issued.forecast", "track = 'live'")
    last = issued.group_by("commodity").agg(pl.col("model_version").sort_by("sequence").last())
    return dict(last.iter_rows())


def write_catalogue(home: Home, name: str) -> None:
    write_layer(home.path, OWN.replace("Palm oil", name) + LONGER)


@pytest.fixture(scope="module")
def nights(one_night, tmp_path_factory) -> Nights:
    folder = tmp_path_factory.mktemp("founding")
    home = Home(copied(one_night, folder / ".cbi"))
    write_catalogue(home, "Palm oil")
    imported(home, history(folder / "palm.csv", {}))
    found = Nights(home, {}, {}, {}, {})
    # Another name of a commodity is another catalogue, so that the third night has work to do.
    for night, code, name in (("refused", STRICT, "Palm oil"), ("accepted", CBI, "Palm")):
        write_catalogue(home, name)
        done = Program(code, ("run",), home.environment).wait()
        assert done.returncode == 0, done.stdout + done.stderr
        found.said[night] = done.stdout
        spoken = json.loads(home.cbi("forecast", "--json").stdout)
        found.forecasts[night] = {one["commodity"]: one for one in spoken["commodities"]}
        found.speakers[night] = speakers(home)
        found.pages[night] = (home.settings.reports_dir / "latest.html").read_text()
    return found


def test_what_the_version_cannot_read_is_forecast_by_the_founding_model(nights):
    told = nights.forecasts["refused"]
    assert {name: one["status"] for name, one in told.items()} == dict.fromkeys(
        ["wti", "gasoline_mn", "cpo"], "forecast"
    )
    assert nights.speakers["refused"] == {
        "wti": FOUNDING,
        "cpo": FOUNDING,
        "gasoline_mn": "1",
    }
    for name in ("wti", "cpo"):
        assert all(one["quantiles"] for one in told[name]["horizons"])


def test_each_such_forecast_says_who_made_it_and_until_when(nights):
    words = "by the founding model, as the version in use cannot read it"
    told = nights.forecasts["refused"]
    assert {name for name, one in told.items() if words in (one["note"] or "")} == {
        "wti",
        "cpo",
    }
    assert words in nights.pages["refused"]
    assert "until a refresh that learned it is accepted" in nights.said["refused"]


def test_a_refusal_is_told_by_what_both_versions_read(nights):
    held = nights.decisions.filter(verdict="hold").row(-1, named=True)
    assert held["who"] == "refresh"
    assert "against version 1. Refused: CRPS" in held["reason"]


def test_the_accepted_refresh_speaks_for_every_market_and_nothing_is_said_of_a_founding_model(
    nights,
):
    accepted = nights.decisions.filter(who="refresh").row(-1, named=True)
    assert accepted["verdict"] == "refresh"
    assert set(nights.speakers["accepted"].values()) == {str(accepted["version"])}
    assert accepted["version"] != 1
    for text in (nights.pages["accepted"], nights.said["accepted"]):
        assert "founding model" not in text
