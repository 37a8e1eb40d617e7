"""The exported Open Data Contract Standard documents say what the contracts say."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from data_contracts import CONTRACTS
from data_contracts.core import Contract, duckdb_type
from data_contracts.odcs import export


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return export(tmp_path_factory.mktemp("odcs"))


@pytest.fixture(scope="module")
def tables(exported: list[Path]) -> dict[str, dict]:
    documents = [yaml.safe_load(path.read_text()) for path in exported]
    return {table["physicalName"]: table for one in documents for table in one["schema"]}


def test_every_table_is_exported_once(tables: dict) -> None:
    assert set(tables) == set(CONTRACTS)


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=list(CONTRACTS))
def test_columns_types_nulls_keys_and_units_are_those_of_the_contract(
    tables: dict, contract: Contract
) -> None:
    told = tables[contract.table]["properties"]
    assert [one["name"] for one in told] == list(contract.columns)
    for one in told:
        column = contract.columns[one["name"]]
        assert one["physicalType"] == duckdb_type(column.dtype.type)
        assert one["required"] is not column.nullable
        assert one["description"] == column.description
        unit = {p["property"]: p["value"] for p in one.get("customProperties", [])}.get("unit")
        assert unit == (column.metadata or {}).get("unit")
    key = sorted((one for one in told if one["primaryKey"]), key=lambda p: p["primaryKeyPosition"])
    assert tuple(one["name"] for one in key) == contract.key


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=list(CONTRACTS))
def test_every_bound_and_list_of_values_is_exported(tables: dict, contract: Contract) -> None:
    told = {one["name"]: one for one in tables[contract.table]["properties"]}
    for name, column in contract.columns.items():
        options = told[name].get("logicalTypeOptions", {})
        for check in column.checks:
            given = dict(check.statistics or {})
            if check.name == "isin":
                words = told[name]["quality"][0]["description"]
                assert all(f"'{value}'" in words for value in given["allowed_values"])
            elif check.name == "str_length":
                assert options["minLength"] == given["min_value"]
            else:
                (bound,) = given.values()
                assert bound in options.values()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("datacontract") is None, reason="needs datacontract-cli")
def test_the_documents_are_valid_by_the_standards_own_tool(exported: list[Path]) -> None:
    for path in exported:
        subprocess.run(["datacontract", "lint", str(path)], check=True, timeout=120)
