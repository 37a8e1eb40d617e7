"""Sessions that the code builds otherwise take the place of those it does not build any more."""

from datetime import UTC, datetime

import polars as pl
import pytest

from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.store_sessions import store_sessions
from cbi_pipeline.settings import Settings
from tests.defs.trees import footprint
from tests.features.records import prices
from tests.features.worlds import world

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ["commodity", "session", "version"]
OTHER_WTI = pl.when(pl.col("commodity") == "wti").then(pl.col("price") * 2).otherwise("price")


@pytest.fixture(scope="module")
def built() -> pl.DataFrame:
    return prices(world(2, weeks=30)).sort(KEY)


@pytest.fixture
def pipeline(tmp_path, built) -> Pipeline:
    home = Pipeline(Settings(_env_file=None, home=tmp_path / "home"))
    with home.warehouse.write() as store, store.transaction():
        store.append("market.session", built)
    home.warehouse.publish()
    return home


def table(pipeline: Pipeline, name: str) -> pl.DataFrame:
    with pipeline.warehouse.read() as store:
        return store.table(name)


def test_sessions_that_are_built_as_they_are_stored_are_not_written_again(pipeline, built):
    before = footprint(pipeline.settings.home)
    done = store_sessions(pipeline, built)
    assert (done.added, done.renewed) == (0, {})
    assert footprint(pipeline.settings.home) == before


def test_a_new_version_is_added_and_nothing_is_built_anew(pipeline, built):
    revised = built.tail(1).with_columns(version=pl.col("version") + 1, price=pl.lit(9.0))
    done = store_sessions(pipeline, pl.concat([built, revised]))
    assert (done.added, done.renewed) == (1, {})
    assert len(table(pipeline, "market.earlier_session")) == 0


def test_a_commodity_built_otherwise_is_replaced_whole_and_the_reason_names_a_cell(pipeline, built):
    other = built.with_columns(price=OTHER_WTI)
    done = store_sessions(pipeline, other)
    assert set(done.renewed) == {"wti"}
    assert "rows built anew differ, e.g. price of" in done.renewed["wti"]
    assert table(pipeline, "market.session").sort(KEY).equals(other)


def test_the_rows_that_were_replaced_are_kept_with_the_reason(pipeline, built):
    done = store_sessions(pipeline, built.with_columns(price=OTHER_WTI))
    earlier = table(pipeline, "market.earlier_session").sort(KEY)
    assert earlier.select(built.columns).equals(built.filter(commodity="wti"))
    assert set(earlier["why"]) == {done.renewed["wti"]}
    assert set(earlier["generation"]) == {1}


def test_each_change_keeps_the_rows_before_it(pipeline, built):
    store_sessions(pipeline, built.with_columns(price=OTHER_WTI))
    store_sessions(pipeline, built)
    earlier = table(pipeline, "market.earlier_session")
    assert set(earlier["generation"]) == {1, 2}
    assert table(pipeline, "market.session").sort(KEY).equals(built)


def test_a_session_that_is_not_built_any_more_is_gone(pipeline, built):
    last = built.filter(commodity="wti").tail(1)
    done = store_sessions(pipeline, built.join(last, on=KEY, how="anti"))
    assert "any more" in done.renewed["wti"]
    assert table(pipeline, "market.session").join(last, on=KEY, how="semi").is_empty()


def test_a_commodity_that_was_not_built_tonight_keeps_its_rows(pipeline, built):
    done = store_sessions(pipeline, built.filter(commodity="gasoline_mn"))
    assert done.renewed == {}
    assert table(pipeline, "market.session").sort(KEY).equals(built)
