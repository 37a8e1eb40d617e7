"""Adding rows: once, whole, and not at all when nothing is new."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import NothingPublished
from data_contracts import contract
from tests.defs.trees import footprint
from tests.warehouse.frames import rows_for

VERSION = {
    "recipe": "untrained",
    "recipe_id": "r" * 64,
    "fingerprint": "f" * 64,
    "state": "s" * 64,
    "run_id": "1",
    "note": "not judged yet",
}


def versions(*numbers: int) -> pl.DataFrame:
    rows = [{"version": number, "as_of": AS_OF, **VERSION} for number in numbers]
    return pl.DataFrame(rows, schema=contract("registry.version").dtypes)


AS_OF = datetime(2020, 2, 12, 15, 30, tzinfo=UTC)


@pytest.fixture
def pipeline(tmp_path):
    pipeline = Pipeline(Settings(home=tmp_path / ".cbi"))
    pipeline.warehouse.publish()
    return pipeline


def stored(pipeline: Pipeline) -> list[int]:
    with pipeline.warehouse.read() as store:
        return store.table("registry.version")["version"].to_list()


def test_only_rows_with_new_keys_are_added_and_they_are_published(pipeline):
    assert pipeline.add({"registry.version": versions(1, 2)}) == {"registry.version": 2}
    assert pipeline.add({"registry.version": versions(2, 3)}) == {"registry.version": 1}
    assert stored(pipeline) == [1, 2, 3]


def test_nothing_new_touches_no_file(pipeline):
    pipeline.add({"registry.version": versions(1)})
    before = footprint(pipeline.settings.home)
    assert pipeline.add({"registry.version": versions(1)}) == {"registry.version": 0}
    assert footprint(pipeline.settings.home) == before


def test_tables_are_added_together_or_not_at_all(pipeline):
    broken = pl.DataFrame({"commodity": ["wti"]})
    with pytest.raises(Exception, match=r"session|column"):
        pipeline.add({"registry.version": versions(1), "market.session": broken})
    assert stored(pipeline) == []


def test_rows_committed_but_never_published_are_published_and_not_added_twice(pipeline):
    with pipeline.warehouse.write() as store:
        store.append("registry.version", versions(1))
    assert stored(pipeline) == []
    assert pipeline.add({"registry.version": versions(1, 2)}) == {"registry.version": 1}
    assert stored(pipeline) == [1, 2]


def test_before_the_first_ingestion_there_is_nothing_to_add_to(tmp_path):
    pipeline = Pipeline(Settings(home=tmp_path / ".cbi"))
    with pytest.raises(NothingPublished, match="cbi run"):
        pipeline.add({"registry.version": versions(1)})


def test_the_private_folder_is_its_owners_alone(pipeline):
    assert pipeline.settings.home.stat().st_mode & 0o777 == 0o700


def test_closed_records_know_until_the_newest_instant_of_any_table_that_sources_fill(pipeline):
    later = AS_OF + timedelta(days=3)
    with pipeline.warehouse.write() as store:
        for name, known in (("raw.observation", AS_OF), ("raw.bar", later)):
            rows = rows_for(contract(name), 1)
            store.append(
                name, rows.with_columns(available_at=pl.lit(known).dt.cast_time_unit("us"))
            )
    pipeline.warehouse.publish()
    assert pipeline.as_of(pipeline.today().isoformat()) == later
