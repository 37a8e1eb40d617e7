"""The shipped catalogue of monthly means, forecast without a key from the Bank's workbook."""

import pytest

from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.settings import SHIPPED_CATALOGUES
from cbi_pipeline.warehouse import Warehouse
from tests.feed_servers.world import world
from tests.system.homes import Home

MONTHLY = SHIPPED_CATALOGUES / "monthly.toml"


def test_a_mean_of_a_month_is_no_liquid_market():
    commodities = load_catalogue(MONTHLY, profile="public").commodities
    assert len(commodities) == 6
    assert not any(commodity.liquid for commodity in commodities)
    assert {commodity.calendar for commodity in commodities} == {"monthly"}


@pytest.mark.slow
def test_six_monthly_means_are_forecast_without_a_key(tmp_path):
    with world(years=12) as services:
        variables = services.variables(tmp_path, "public")
        home = Home(tmp_path / ".cbi", variables)
        quick = home.path / "catalogue" / "quick.toml"
        quick.parent.mkdir(parents=True, mode=0o700)
        quick.write_text('[evaluation]\nyears = 2\norigins = 8\nrefits = "yearly"\n')
        done = home.cbi("--catalogue", "monthly.toml", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    with Warehouse(home.path / "warehouse").read() as store:
        issued = store.table("issued.forecast", "track = 'live'")
    assert set(issued["commodity"]) == {
        commodity.id for commodity in load_catalogue(MONTHLY, profile="public").commodities
    }
    assert set(issued["horizon"]) == {1, 3, 12}
