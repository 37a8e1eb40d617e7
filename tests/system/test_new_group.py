"""A feature group of one's own: one file in a copy of the package, one line of the catalogue."""

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cbi_pipeline.warehouse import Warehouse
from tests.catalogues import write_layer
from tests.commands import CBI
from tests.system.homes import Home, copied
from tests.system.package_copy import copy_package

pytestmark = pytest.mark.slow

GROUP = """
from cbi_pipeline.features import expressions as e
from cbi_pipeline.features.group import Column, Group, Series

_OUTPUT = Series("output", "natural gas output", "month", "eia_mer_monthly")
_YEAR = e.change(e.log(_OUTPUT.value), 12)
GROUP = Group(
    name="gas_output",
    words="Monthly output of natural gas",
    columns=(
        Column("gas_output_year", "log", _YEAR, "change over 12 months"),
        Column("gas_output_month", "log", e.change(e.log(_OUTPUT.value), 1), "over a month"),
    ),
)
"""
LINE = 'groups.gas_output = { output = "EIA.MER.NGPRBUS" }'
#: What Dagster's page shows of the newest run of features/row that built any.
LOOK = """
import json
import dagster as dg
from cbi_pipeline.commands.instance import prepare_instance
from cbi_pipeline.settings import load_settings
prepare_instance(load_settings())
with dg.DagsterInstance.get() as instance:
    found = instance.fetch_materializations(dg.AssetKey(["features", "row"]), limit=10).records
    events = [one.asset_materialization.metadata for one in found]
    shown = next(one for one in events if any(one["new rows by group"].value.values()))
    print(json.dumps({name: entry.value for name, entry in shown.items()}))
"""


@dataclass(frozen=True)
class Copy:
    """A copy of the package beside a home; what it is told, it does in processes of its own."""

    folder: Path
    home: Home

    def say(self, code: str, *arguments: str) -> str:
        environment = {**self.home.environment, "PYTHONPATH": str(self.folder)}
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def table(self, name: str) -> pl.DataFrame:
        with Warehouse(self.home.settings.warehouse_dir).read() as store:
            return store.query(f"FROM {name}")


@pytest.fixture(scope="module")
def copy(one_night, tmp_path_factory) -> Copy:
    """A finished home whose next night is that of a copy of the package with one group more."""
    folder = tmp_path_factory.mktemp("copy")
    copy_package(folder)
    (folder / "cbi_pipeline/features/groups/gas_output.py").write_text(GROUP)
    home = Home(copied(one_night, folder / ".cbi"))
    write_layer(home.path, f'[[commodity]]\nid = "wti"\n{LINE}\n')
    copy = Copy(folder, home)
    copy.say(CBI, "run")
    return copy


def test_the_night_runs_the_copy(copy):
    assert Path(copy.say("import cbi_pipeline; print(cbi_pipeline.__file__)")).is_relative_to(
        copy.folder
    )


def test_its_columns_are_stored_for_every_row_of_the_market_that_reads_it(copy):
    rows = copy.table("features.gas_output")
    origins = copy.table("features.origin")
    assert len(rows) == len(origins)
    own = rows.filter(commodity="wti").sort("session")
    # The archive holds an issue of July 2017 that is old enough to say nothing by the end of 2018.
    present = own.filter(pl.col("gas_output_year").is_not_null())["session"]
    assert len(present) > 250
    assert present.min() < date(2017, 7, 1)
    assert rows.filter(commodity="gasoline_mn")["gas_output_year"].is_null().all()


def test_a_row_holds_what_the_newest_issue_said_of_the_newest_month_then(copy):
    rows = copy.table("features.gas_output").filter(pl.col("gas_output_year").is_not_null())
    row = rows.sort("session").row(-1, named=True)
    observed = copy.table("raw.observation").filter(
        pl.col("series_id") == "EIA.MER.NGPRBUS", pl.col("available_at") <= row["decision_at"]
    )
    months = observed.sort("version").unique("period", keep="last").sort("period")["value"].log()
    assert row["gas_output_year"] == pytest.approx(months[-1] - months[-13], rel=1e-6)
    assert row["gas_output_month"] == pytest.approx(months[-1] - months[-2], rel=1e-6)


def test_it_is_shown_by_name_with_value_age_and_source(copy):
    said = copy.say(
        CBI, "data", "features", "--commodity", "wti", "--as-of", "2018-06-29", "--json"
    )
    cells = {cell["column"]: cell for cell in json.loads(said)["columns"]}
    assert cells["gas_output_year"]["source"] == "EIA.MER.NGPRBUS"
    assert cells["gas_output_year"]["age_days"] > 0
    view = copy.table("features.panel").filter(commodity="wti")
    assert cells["gas_output_year"]["value"] is not None
    assert cells["gas_output_year"]["value"] in view["gas_output_year"]


def test_dagster_shows_how_many_rows_it_got_and_that_it_is_new(copy):
    shown = json.loads(copy.say(LOOK))
    assert shown["new rows by group"]["gas_output"] == len(copy.table("features.gas_output"))
    assert shown["new rows by group"]["own_price"] == 0
    assert "gas_output" in shown["what changed"]


def test_the_night_forecasts_every_market_and_a_second_one_has_nothing_to_do(copy):
    issued = copy.table("issued.forecast").filter(track="live")
    newest = issued.filter(pl.col("as_of") == pl.col("as_of").max())
    assert set(newest["commodity"]) == {"wti", "gasoline_mn"}
    assert copy.say(CBI, "run").startswith("nothing to do")
