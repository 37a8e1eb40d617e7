"""What is derived from the contracts is what stands."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import polars as pl
import pytest

from data_contracts import CONTRACTS
from data_contracts.core import Contract, duckdb_type
from data_contracts.documentation import describe, page, published_page
from data_contracts.families import FAMILIES
from data_contracts.fingerprint import fingerprints
from data_contracts.published import PUBLISHED
from data_contracts.split import row_rules

ROOT = Path(__file__).parents[2]
every_contract = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=list(CONTRACTS))


@every_contract
def test_the_created_table_has_the_contracts_columns_types_and_nulls(contract: Contract) -> None:
    connection = duckdb.connect()
    connection.execute(f"CREATE SCHEMA {contract.table.split('.')[0]}")
    connection.execute(contract.ddl())
    described = connection.sql(f"DESCRIBE {contract.table}").fetchall()
    found = {
        name: (kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"), null)
        for name, kind, null, *_ in described
    }
    expected = {
        name: (duckdb_type(dtype), "YES" if contract.columns[name].nullable else "NO")
        for name, dtype in contract.dtypes.items()
    }
    assert found == expected


@every_contract
def test_the_key_is_made_of_columns_that_are_never_null(contract: Contract) -> None:
    assert contract.key
    assert not any(contract.columns[name].nullable for name in contract.key)


@every_contract
def test_every_column_says_what_it_means(contract: Contract) -> None:
    assert contract.description
    assert all(column.description for column in contract.columns.values())


@every_contract
def test_every_bound_of_a_column_is_a_row_rule(contract: Contract) -> None:
    named = {(rule.column, rule.name) for rule in row_rules(contract)}
    for name, column in contract.columns.items():
        assert {(name, check.name) for check in column.checks} <= named
        assert ((name, "not_null") in named) is not column.nullable


@every_contract
def test_an_empty_frame_keeps_every_contract(contract: Contract) -> None:
    assert contract.validate(contract.empty()).is_empty()


def test_the_documentation_page_is_the_one_the_contracts_give() -> None:
    assert (ROOT / "docs" / "contracts.md").read_text() == page()


def test_the_page_of_the_published_tables_is_the_one_their_contracts_give() -> None:
    assert (ROOT / "docs" / "published.md").read_text() == published_page()


@pytest.mark.parametrize("view", PUBLISHED)
def test_every_published_column_is_explained_and_every_number_has_its_unit(view: str) -> None:
    for name, kind, unit, _, meaning in describe(PUBLISHED[view]):
        assert meaning, name
        assert unit or kind != "DOUBLE", name


def test_no_contract_has_changed_without_a_new_version() -> None:
    locked = json.loads((ROOT / "data_contracts" / "versions.json").read_text())
    current = fingerprints()
    assert set(current) == set(locked), "record new contracts in data_contracts/versions.json"
    changed = [name for name, facts in current.items() if facts != locked[name]]
    unbumped = [name for name in changed if current[name]["version"] == locked[name]["version"]]
    assert not unbumped, f"raise the version of {unbumped}, then record it in versions.json"
    assert not changed, f"record the new versions of {changed} in versions.json"


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_every_family_refuses_a_unit_it_has_no_bounds_for(family: object) -> None:
    with pytest.raises(ValueError, match="no bounds for the unit"):
        family.rules("furlong", pl.datetime_range)  # type: ignore[attr-defined]
