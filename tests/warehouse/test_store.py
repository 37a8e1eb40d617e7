from contextlib import suppress
from datetime import datetime

import duckdb
import pandera.errors
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cbi_pipeline.warehouse import NothingPublished
from cbi_pipeline.warehouse._errors import DuplicateKey, ReadOnlyStore
from data_contracts import CONTRACTS, contract
from data_contracts.features import group_contract
from tests.warehouse.frames import INSTANT, at, observations, reference, rows_for


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_table_gives_back_exactly_what_was_appended(store, name):
    rows = rows_for(contract(name), 4)
    assert store.append(name, rows) == 4
    stored = store.table(name)
    assert stored.schema == contract(name).dtypes
    assert_frame_equal(stored, rows.sort(contract(name).key))


@pytest.mark.parametrize("name", CONTRACTS)
def test_an_empty_table_has_the_contracts_columns_and_types(store, name):
    assert store.table(name).schema == contract(name).dtypes
    assert store.append(name, contract(name).empty()) == 0


def test_bits_of_numbers_survive(store):
    odd = [-0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, -36.98]
    rows = observations([("S.A", i, 1, 0, 0, x, "value") for i, x in enumerate(odd)])
    store.append("raw.observation", rows)
    stored = store.table("raw.observation")["value"].to_list()
    assert [x.hex() for x in stored] == [x.hex() for x in odd]


def test_a_condition_filters_a_table(store):
    store.append("market.session", rows_for(contract("market.session"), 9))
    found = store.table("market.session", "version >= ?", [205])
    assert found["version"].to_list() == [205, 206, 207, 208]


def test_an_unknown_table_is_answered_with_the_tables_there_are(store):
    with pytest.raises(KeyError, match=r"market\.session,"):
        store.table("market.prices")


def test_a_query_knows_no_python_variables(store):
    secret = pl.DataFrame({"a": [1]})
    with pytest.raises(duckdb.CatalogException):
        store.query("SELECT * FROM secret")
    assert len(secret) == 1


def test_an_append_that_breaks_the_contract_is_refused_with_the_rule(store):
    rows = rows_for(contract("market.session"), 3).with_columns(volume=pl.lit(-1, pl.Int64))
    with pytest.raises(pandera.errors.SchemaErrors, match="volume"):
        store.append("market.session", rows)
    assert store.table("market.session").is_empty()


def test_a_key_repeated_within_an_append_is_refused(store):
    rows = rows_for(contract("market.session"), 3)
    with pytest.raises(DuplicateKey, match=r"market\.session: 1 keys stand more than once"):
        store.append("market.session", pl.concat([rows, rows[:1]]))
    assert store.table("market.session").is_empty()


def test_a_key_that_is_stored_already_is_refused_and_nothing_of_the_append_stays(warehouse):
    rows = rows_for(contract("market.session"), 3)
    with warehouse.write() as store:
        store.append("market.session", rows[1:2])
        with pytest.raises(DuplicateKey, match="number 0001"):
            store.append("market.session", rows)
        assert len(store.table("market.session")) == 1
        assert store.append("market.session", rows[2:]) == 1


def test_a_transaction_in_which_a_write_failed_cannot_be_committed(warehouse):
    rows = rows_for(contract("market.session"), 3)
    with warehouse.write() as store:
        with pytest.raises(duckdb.Error), store.transaction():
            store.append("market.session", rows)
            with suppress(DuplicateKey):
                store.append("market.session", rows)
        assert store.table("market.session").is_empty()


def test_a_transaction_keeps_everything_or_nothing(warehouse):
    price, score = (rows_for(contract(name), 2) for name in ("market.session", "evaluation.score"))
    with warehouse.write() as store:
        with pytest.raises(DuplicateKey), store.transaction():
            store.append("evaluation.score", score)
            store.append("market.session", price)
            store.append("market.session", price)
        assert store.table("market.session").is_empty()
        assert store.table("evaluation.score").is_empty()
        with store.transaction():
            store.append("evaluation.score", score)
            store.append("market.session", price)
    with warehouse.write() as store:
        assert len(store.table("market.session")) == len(store.table("evaluation.score")) == 2


def test_an_interrupt_inside_a_transaction_rolls_it_back(warehouse):
    with pytest.raises(KeyboardInterrupt), warehouse.write() as store, store.transaction():
        store.append("market.session", rows_for(contract("market.session"), 2))
        raise KeyboardInterrupt
    with warehouse.write() as store:
        assert store.table("market.session").is_empty()


def test_replace_adds_new_keys_overwrites_known_ones_and_counts_only_real_changes(store):
    assert store.replace("ref.series", reference("S.A", "S.B")) == 2
    assert store.replace("ref.series", reference("S.A", "S.B")) == 0
    changed = pl.concat([reference("S.A"), reference("S.B", "S.C", unit="USD/gal")])
    assert store.replace("ref.series", changed) == 2
    assert store.table("ref.series")["unit"].to_list() == ["USD/bbl", "USD/gal", "USD/gal"]


def test_replace_is_refused_where_rows_may_only_be_added(store):
    with pytest.raises(TypeError, match="append-only"):
        store.replace("features.target", rows_for(contract("features.target"), 1))


def test_reading_before_anything_is_published_says_what_to_do(warehouse):
    with pytest.raises(NothingPublished, match="cbi run"), warehouse.read():
        pass


def test_a_published_snapshot_refuses_writes(warehouse):
    rows = rows_for(contract("market.session"), 1)
    with warehouse.write() as store:
        store.append("market.session", rows)
    warehouse.publish()
    with warehouse.read() as store:
        assert_frame_equal(store.table("market.session"), rows)
        with pytest.raises(ReadOnlyStore, match=r"warehouse\.write"):
            store.append("market.session", rows)
        with pytest.raises(ReadOnlyStore), store.transaction():
            pass


def test_instants_come_back_as_utc_microseconds(store):
    read = store.query("SELECT TIMESTAMPTZ '2020-06-01 12:00:00.000001+02' AS t, ? AS u", [at(0)])
    assert read.schema == {"t": INSTANT, "u": INSTANT}
    assert read["t"][0].isoformat() == "2020-06-01T10:00:00.000001+00:00"


def test_an_instant_without_a_zone_is_refused(store):
    with pytest.raises(ValueError, match="no time zone"):
        store.as_of(datetime(2020, 1, 1))
    with pytest.raises(ValueError, match="no time zone"):
        store.state(datetime(2020, 1, 1), ["S.A"])


def test_a_groups_table_that_a_migration_made_becomes_the_one_that_its_contract_makes(store):
    known = group_contract("toy", "Toy", {"toy_year": ("change over a year", "log")})
    rows = rows_for(known, 3)
    store.append_group(known, rows)
    fresh = store.query("DESCRIBE features.toy").rows()
    assert {name: null for name, _, null, *_ in fresh}["decision_at"] == "NO"
    store.query("CREATE OR REPLACE TABLE features.toy AS SELECT * FROM features.toy")
    assert store.query("DESCRIBE features.toy").rows() != fresh
    store.append_group(known, known.empty())
    assert store.query("DESCRIBE features.toy").rows() == fresh
    assert_frame_equal(store.group(known, "true", []).sort(known.key), rows.sort(known.key))
