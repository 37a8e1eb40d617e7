"""What changes is built anew beside the old, where it changes something and nowhere else."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.features import VIEW, read_generations, read_rows
from cbi_pipeline.features.feature_sets import CORE_1
from tests.defs.trees import footprint
from tests.features import copies
from tests.features.copies import Copy

pytestmark = pytest.mark.slow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RELATED = 'related = "gasoline_mn"'
OTHER = """
[[commodity]]
id = "other"
name = "Another crude"
unit = "USD/bbl"
price_series = "OWN.OTHER"
calendar = "eia_spot_daily"
sessions_per_year = 252
horizons = { "1w" = 5, "1m" = 21, "1q" = 63 }
liquid = true
stale_after_days = 21
"""
TOY = """
from cbi_pipeline.features import expressions as e
from cbi_pipeline.features.group import Column, Group, Series

_OUTPUT = Series("output", "output of the mills", "month", "own_history")
GROUP = Group(
    name="mill_output",
    words="Output of the mills",
    columns=(Column("mill_output_year", "log", e.change(e.log(_OUTPUT.value), 12), "a year"),),
)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Copy:
    return copies.make(tmp_path_factory.mktemp("built") / "copy")


@pytest.fixture
def copy(built, tmp_path) -> Copy:
    return Copy(Path(shutil.copytree(built.folder, tmp_path / "copy", symlinks=True)))


def rebuilt(night: dict) -> set[str]:
    return set(night["new"])


def test_a_second_night_builds_nothing_and_writes_nothing(copy):
    before = footprint(copy.folder / "home")
    night = copy.night()
    assert (night["new"], night["why"]) == ({}, {})
    assert footprint(copy.folder / "home") == before


def test_a_comment_or_a_docstring_changes_nothing(copy):
    copy.edit("cbi_pipeline/features/transforms.py", '"""Natural logarithm', '"""The logarithm')
    copy.edit(
        "cbi_pipeline/features/groups/own_price.py", "GROUP = Group", "# Mine.\nGROUP = Group"
    )
    night = copy.night()
    assert (night["new"], night["why"]) == ({}, {})


def test_an_edited_formula_builds_its_group_anew_beside_the_old_and_says_so(copy):
    before = copy.rows("features.petroleum_monthly")
    copy.edit(
        "cbi_pipeline/features/groups/petroleum_monthly.py",
        "(series.value), 12)",
        "(series.value), 6)",
    )
    night = copy.night()
    assert rebuilt(night) == {"petroleum_monthly wti", "petroleum_monthly gasoline_mn"}
    words = "formula of petroleum_use_year is change(log(value), 6), it was change(log(value), 12)"
    assert all(words in why for why in night["why"].values())
    after = copy.rows("features.petroleum_monthly")
    assert before.join(after, on=before.columns, how="anti", nulls_equal=True).is_empty()
    assert len(after) == 2 * len(before)


def test_an_added_column_builds_its_group_alone(copy):
    copy.edit(
        "cbi_pipeline/features/groups/own_price.py",
        '        Column("vol_1", ',
        '        Column("return_42", "sigma", _move(42), "move over 42 sessions"),\n'
        '        Column("vol_1", ',
    )
    night = copy.night()
    assert rebuilt(night) == {"own_price wti", "own_price gasoline_mn"}
    assert all("return_42 is new" in why for why in night["why"].values())
    rows = copy.rows("features.own_price")
    assert rows["return_42"].is_not_null().any()
    assert "return_42" in copy.rows(VIEW).columns


def test_an_added_commodity_builds_its_own_rows_and_leaves_the_others(copy):
    begin = "# Feature groups that every commodity reads"
    before = copy.night()["meanings"]
    copy.edit("catalogue.toml", begin, OTHER + "\n" + begin)
    priced = copy.rows("market.session").filter(commodity="wti")
    with copy.warehouse.write() as store:
        store.append("market.session", priced.with_columns(commodity=pl.lit("other")))
    copy.warehouse.publish()
    night = copy.night()
    assert {name.split()[1] for name in rebuilt(night)} == {"other"}
    assert {name: night["meanings"][name] for name in before} == before


def test_another_series_of_one_commodity_builds_that_group_of_it_alone(copy):
    line = 'groups.petroleum_weekly = { stocks = "OWN.STOCKS" }'
    copy.edit("catalogue.toml", RELATED, f"{RELATED}\n{line}")
    night = copy.night()
    assert rebuilt(night) == {"petroleum_weekly wti"}
    assert "stocks is OWN.STOCKS" in night["why"]["petroleum_weekly wti"]
    assert "it was EIA.WTTSTUS1" in night["why"]["petroleum_weekly wti"]


def test_a_change_taken_back_finds_its_rows_again(copy):
    copy.edit("catalogue.toml", RELATED, "# " + RELATED)
    assert rebuilt(copy.night()) == {"related_price wti"}
    copy.edit("catalogue.toml", "# " + RELATED, RELATED)
    night = copy.night()
    assert night["new"] == {}
    assert set(night["why"]) == {"related_price wti"}


def test_a_new_group_is_a_file_and_a_line_of_the_catalogue(copy):
    (copy.folder / "cbi_pipeline/features/groups/mill_output.py").write_text(TOY)
    line = 'groups.mill_output = { output = "EIA.MER.PMTCBUS" }'
    copy.edit("catalogue.toml", RELATED, f"{RELATED}\n{line}")
    night = copy.night()
    assert rebuilt(night) == {"mill_output wti", "mill_output gasoline_mn"}
    rows = copy.rows(VIEW)
    wti, gasoline = (rows.filter(commodity=name) for name in ("wti", "gasoline_mn"))
    assert wti["mill_output_year"].is_not_null().any()
    assert gasoline["mill_output_year"].is_null().all()


def test_the_view_shows_the_rows_in_use_by_column_name(copy):
    catalogue = load_catalogue(copy.catalogue)
    with copy.warehouse.read() as store:
        used = read_generations(store, catalogue, CORE_1, NOW)
        rows = read_rows(store, CORE_1, used)
        assert store.query(f"FROM {VIEW}").equals(rows)
