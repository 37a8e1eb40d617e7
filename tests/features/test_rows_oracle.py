"""Rows equal the slow, obvious construction bit for bit."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.features import Rows, contract_of, side_by_side
from cbi_pipeline.features.feature_sets import CORE_1
from data_contracts.features import ORIGIN
from tests.features import records
from tests.features.oracle import Oracle
from tests.features.records import CATALOGUE, observations, prices
from tests.features.worlds import EPOCH, world

END = datetime(2020, 2, 13, 5, tzinfo=UTC)


SCHEMA = side_by_side(Rows.nothing(CORE_1)).schema


def rows_of(observed: pl.DataFrame, as_of: datetime = END) -> pl.DataFrame:
    return records.rows_of(prices(observed), observed, as_of)


def expected(oracle: Oracle, commodity: str, sessions: list) -> pl.DataFrame:
    member = CATALOGUE.commodity(commodity)
    built = [oracle.row(member, (day - EPOCH.date()).days) for day in sessions]
    return pl.DataFrame([row for row in built if row], schema=SCHEMA, orient="row")


def assert_same_bits(one: pl.DataFrame, other: pl.DataFrame) -> None:
    assert one.schema == other.schema
    for name in one.columns:
        assert one[name].to_list() == other[name].to_list(), name


@pytest.fixture(scope="module")
def archive_rows() -> pl.DataFrame:
    return rows_of(observations())


@pytest.fixture(scope="module")
def archive_oracle() -> Oracle:
    return Oracle(observations(), CATALOGUE)


@pytest.mark.parametrize("commodity", [pytest.param("wti", marks=pytest.mark.slow), "gasoline_mn"])
def test_rows_of_the_shipped_record_equal_the_obvious_construction(
    commodity, archive_rows, archive_oracle
):
    own = archive_rows.filter(pl.col("commodity") == commodity)
    picked = own[sorted(np.random.default_rng(7).choice(len(own), 15, replace=False))]
    picked = pl.concat([own.head(1), picked, own.tail(2)]).unique("session", maintain_order=True)
    assert_same_bits(picked, expected(archive_oracle, commodity, picked["session"].to_list()))


def test_every_priced_session_of_the_shipped_record_has_its_row(archive_rows, archive_oracle):
    built = {
        commodity: own["session"].to_physical().to_list()
        for (commodity,), own in archive_rows.partition_by("commodity", as_dict=True).items()
    }
    assert built == {name: list(due) for name, due in archive_oracle.decisions.items()}
    assert {name: len(days) for name, days in built.items()} == {"wti": 8321, "gasoline_mn": 1028}


@given(seed=st.integers(0, 10_000), revisions=st.integers(0, 120))
@settings(max_examples=6, deadline=None)
@pytest.mark.slow
def test_rows_of_a_revised_record_equal_the_obvious_construction(seed, revisions):
    observed = world(seed, revisions=revisions)
    rows, oracle = rows_of(observed), Oracle(observed, CATALOGUE)
    dice = np.random.default_rng(seed)
    for commodity, due in oracle.decisions.items():
        days = sorted(dice.choice(list(due), 8, replace=False).tolist())
        sessions = pl.Series(days, dtype=pl.Int32).cast(pl.Date).to_list()
        built = rows.filter(pl.col("commodity") == commodity, pl.col("session").is_in(sessions))
        assert_same_bits(built, expected(oracle, commodity, sessions))


def test_rows_fit_their_contracts(archive_rows):
    parts = records.built(prices(observations()), observations(), END)
    assert ORIGIN.validate(parts.origins).height == 9349
    for group, frame in parts.groups.items():
        assert contract_of(group).validate(frame).height == 9349
    assert archive_rows.select(pl.col(CORE_1.features).is_finite().all()).row(0) == (True,) * 48
