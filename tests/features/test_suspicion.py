"""Code or a library that changes is looked into; rows are built anew where it changes a value."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from tests.defs.trees import footprint
from tests.features import copies
from tests.features.copies import Copy

pytestmark = pytest.mark.slow

TRANSFORMS = "cbi_pipeline/features/transforms.py"
CALENDARS = "cbi_pipeline/market/calendars.py"
GROUPS = {"own_price", "related_price", "petroleum_weekly", "petroleum_monthly"}
# Logarithms of a library that is a little off, whatever it says its version is.
OFF = """
import numpy
exact = numpy.log
numpy.log = lambda *given, **named: exact(*given, **named) * 1.001
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Copy:
    return copies.make(tmp_path_factory.mktemp("built") / "copy")


@pytest.fixture
def copy(built, tmp_path) -> Copy:
    return Copy(Path(shutil.copytree(built.folder, tmp_path / "copy", symlinks=True)))


def groups_of(night: dict) -> set[str]:
    return {name.split()[0] for name in night["why"]}


def notes(copy: Copy) -> pl.DataFrame:
    return copy.rows("features.generation")


def pretend_version(copy: Copy, library: str, version: str) -> None:
    folder = copy.folder / f"{library}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {library}\nVersion: {version}\n"
    )


def assert_nothing_but_notes(copy: Copy, before: pl.DataFrame) -> None:
    """Every group was looked into, its rows stay in use, and the night after has nothing to do."""
    after = notes(copy)
    assert after["number"].max() == 2
    assert set(after["generation"]) == set(before["generation"])
    held = footprint(copy.folder / "home")
    assert copy.night()["new"] == {}
    assert footprint(copy.folder / "home") == held


def test_another_name_for_a_function_keeps_every_row_in_use(copy):
    before = notes(copy)
    copy.edit("cbi_pipeline/features/reader.py", "_rhythm", "_entries")
    night = copy.night()
    assert (night["new"], night["why"]) == ({}, {})
    assert_nothing_but_notes(copy, before)


def test_a_new_version_of_a_library_that_changes_no_value_keeps_every_row_in_use(copy):
    before = notes(copy)
    pretend_version(copy, "polars", "99.1")
    night = copy.night()
    assert (night["new"], night["why"]) == ({}, {})
    assert_nothing_but_notes(copy, before)


def test_a_new_version_of_a_library_that_changes_values_builds_their_groups_anew(copy):
    pretend_version(copy, "numpy", "99.1")
    (copy.folder / "sitecustomize.py").write_text(OFF)
    before = copy.night()["meanings"]
    assert all(".2" in meaning for meaning in before.values())
    after = notes(copy).filter(pl.col("number") == 2)
    assert set(after["feature_group"]) == GROUPS | {"origin"}


def test_rows_that_no_code_of_today_builds_are_seen_at_night_whatever_the_versions_say(copy):
    (copy.folder / "sitecustomize.py").write_text(OFF)
    night = copy.night()
    assert groups_of(night) >= {"own_price", "related_price", "origin"}
    assert all("rows built anew differ" in why for why in night["why"].values())


def test_an_operation_that_changes_builds_the_groups_that_use_it_anew_and_says_where(copy):
    before = copy.rows("features.own_price")
    meant = copy.night()["meanings"]
    copy.edit("cbi_pipeline/features/expressions.py", "s * np.sqrt(n)", "s * np.sqrt(n) * 1.001")
    night = copy.night()
    assert groups_of(night) == {"own_price", "related_price"}
    why = night["why"]["own_price wti"]
    assert "computed otherwise" in why
    assert "return_1 of" in why
    assert night["meanings"]["wti"] != meant["wti"]
    after = copy.rows("features.own_price")
    assert before.join(after, on=before.columns, how="anti", nulls_equal=True).is_empty()
    assert len(after) == 2 * len(before)


def test_a_calendar_that_changes_builds_the_rows_of_its_commodities_anew(copy):
    copy.edit(CALENDARS, "ready_after=260", "ready_after=100")
    night = copy.night()
    assert {name.split()[1] for name in night["why"]} == {"wti"}
    assert groups_of(night) == GROUPS | {"origin"}
    assert "ready" in night["why"]["origin wti"]
    assert copy.night()["why"] == {}


def test_a_rule_for_sessions_that_changes_builds_them_and_what_rests_on_them_anew(copy):
    copy.edit(
        "cbi_pipeline/market/prices.py",
        'price=pl.when(valued).then("value")',
        'price=pl.when(valued).then(pl.col("value") * 1.01)',
    )
    night = copy.night()
    assert set(night["sessions"]) == {"wti", "gasoline_mn"}
    assert groups_of(night) == GROUPS | {"origin"}
    again = copy.night()
    assert (again["sessions"], again["new"]) == ({}, {})


def test_a_change_taken_back_finds_the_rows_it_had_left(copy):
    copy.edit(CALENDARS, "ready_after=260", "ready_after=100")
    copy.night()
    held = copy.rows("features.origin")
    copy.edit(CALENDARS, "ready_after=100", "ready_after=260")
    night = copy.night()
    assert {name.split()[1] for name in night["why"]} == {"wti"}
    assert "ready" in night["why"]["origin wti"]
    assert len(copy.rows("features.origin")) >= len(held)
