"""Data contracts: the single source for names, types, units, keys, bounds and release rules."""

from data_contracts.core import Contract, Table, column
from data_contracts.tables import CONTRACTS, contract

__all__ = ["CONTRACTS", "Contract", "Table", "column", "contract"]
