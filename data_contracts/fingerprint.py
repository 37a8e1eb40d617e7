"""Fingerprints of contracts, so that a change without a new version is noticed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from data_contracts.core import Contract
from data_contracts.exchange import PARSED_BAR
from data_contracts.families import FAMILIES
from data_contracts.family import Family
from data_contracts.observation import PARSED
from data_contracts.shape import Shape
from data_contracts.tables import CONTRACTS


def fingerprints() -> dict[str, dict[str, str]]:
    """Version and fingerprint of every table contract and series family, by name."""
    tables = {
        f"table {contract.table}": {
            "version": contract.version,
            "fingerprint": _digest(_table_facts(contract)),
        }
        for contract in (PARSED, PARSED_BAR, *CONTRACTS.values())
    }
    families = {
        f"family {family.name}": {
            "version": family.version,
            "fingerprint": _digest(_family_facts(family)),
        }
        for family in FAMILIES.values()
    }
    return tables | families


def _table_facts(contract: Contract) -> dict[str, Any]:
    return {
        "key": contract.key,
        "append_only": contract.append_only,
        "columns": {
            name: [
                str(column.dtype.type),
                column.nullable,
                column.metadata,
                [[check.name, check.statistics] for check in column.checks],
            ]
            for name, column in contract.columns.items()
        },
    }


def _family_facts(family: Family) -> dict[str, Any]:
    release = family.release
    extra = {"extra": [rule.name for rule in family.extra]} if family.extra else {}
    shape = {"shape": asdict(family.shape)} if family.shape != Shape() else {}
    return (
        extra
        | shape
        | {
            "frequency": family.frequency,
            "weekdays": family.weekdays,
            "bounds": {unit: list(bounds) for unit, bounds in family.bounds.items()},
            "release": release and [release.name, release.zone, release.words],
            "staleness": family.staleness.total_seconds(),
            "rights": family.rights,
        }
    )


def _digest(facts: dict[str, Any]) -> str:
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
