"""Rows of an earlier version are carried on, and a version knows which rows it can read."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.features import feature_set, panel_spec, read_generations, read_rows, why_unread
from cbi_pipeline.features.feature_sets import CORE_1
from cbi_pipeline.operations.build_features import build, store_rows
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import Settings
from tests.old_home import unpack_home

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def old(tmp_path):
    return unpack_home(tmp_path)


def stored_before(old) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows and targets as the earlier version keeps them."""
    snapshot = (old.settings.warehouse_dir / "published" / "current").resolve()
    with duckdb.connect(str(snapshot), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return tuple(
            pl.DataFrame(connection.execute(f"FROM features.{table} ORDER BY ALL").to_arrow_table())
            for table in ("row", "target")
        )


def settings_of(old) -> Settings:
    given = old.variables
    return Settings(
        _env_file=None,
        home=old.path,
        profile="archive",
        archive_dir=Path(given["CBI_ARCHIVE_DIR"]),
        catalogue_file=Path(given["CBI_CATALOGUE_FILE"]),
    )


def test_the_rows_of_an_earlier_version_are_carried_over_to_the_bit(old):
    before, targets = stored_before(old)
    pipeline = Pipeline(settings_of(old))
    chosen = feature_set(pipeline.catalogue)
    with pipeline.warehouse.read() as store:
        used = read_generations(store, pipeline.catalogue, chosen, NOW)
        rows = read_rows(store, chosen, used)
        after = store.table("features.target")
    assert len(rows) == len(before) > 0
    for name in ("commodity", "session", "decision_at", "price", "variance_long", "ready"):
        assert rows[name].to_list() == before[name].to_list(), name
    for place, name in enumerate(chosen.features):
        there = pl.col("mask").list.get(place)
        held = before.select(pl.when(there).then(pl.col("values").list.get(place))).to_series()
        assert rows[name].to_list() == held.to_list(), name
    for place, name in enumerate(group.age_column for group in chosen.read):
        assert rows[name].fill_null(0).to_list() == before["ages"].list.get(place).to_list(), name
    assert after.is_empty() and len(targets) > 0  # the next night builds outcomes anew


def test_its_first_run_carries_its_rows_on_and_builds_none_of_them_anew(old):
    pipeline = Pipeline(settings_of(old))
    night = build(pipeline)
    assert night.rows.origins.is_empty()
    assert all(rows.is_empty() for rows in night.rows.groups.values())
    assert set(night.generations.notes["why"]) == {
        "carried over: built before generations were noted"
    }
    store_rows(pipeline, night)
    assert build(pipeline).generations.notes.is_empty()


@pytest.mark.slow
def test_a_rebuild_carries_the_rows_of_every_group(old):
    pipeline = Pipeline(settings_of(old))
    store_rows(pipeline, build(pipeline))

    def held() -> list[pl.DataFrame]:
        with pipeline.warehouse.read() as store:
            tables = ("origin", "generation", *(group.name for group in CORE_1.read))
            return [store.query(f"FROM features.{table} ORDER BY ALL") for table in tables]

    before = held()
    done = old.cbi("rebuild")
    assert done.returncode == 0, done.stderr
    assert all(frame.height for frame in before)
    assert all(one.equals(other) for one, other in zip(before, held(), strict=True))


def test_a_version_reads_a_commodity_as_long_as_its_rows_mean_the_same():
    catalogue = load_catalogue(profile="live")
    spec = panel_spec(catalogue, feature_set(catalogue))
    wti, *others = catalogue.commodities
    edited = catalogue.model_copy(
        update={"commodities": (wti.model_copy(update={"related": "henry_hub"}), *others)}
    )
    reasons = {
        one.id: why_unread(spec, one.id, edited, feature_set(edited))
        for one in catalogue.commodities
    }
    assert {name for name, why in reasons.items() if why} == {"wti"}
    assert "related_price" in reasons["wti"]


def test_a_version_of_an_earlier_release_is_read_by_the_name_of_its_features():
    catalogue = load_catalogue()
    spec = panel_spec(catalogue, CORE_1)
    today = feature_set(catalogue)

    def reads(name: str) -> bool:
        earlier = panel_spec(catalogue, CORE_1.__class__(name, CORE_1.read))
        return why_unread(earlier, "wti", catalogue, today) is None

    assert spec.meanings == ()
    assert reads("core-1.15b9ead4767a")
    assert not reads("core-1.000000000000")
