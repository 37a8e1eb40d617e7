"""Every table of the warehouse, by name."""

from data_contracts import (
    evaluation,
    exchange,
    features,
    issued,
    ledger,
    market,
    observation,
    reference,
)
from data_contracts.core import Contract

CONTRACTS: dict[str, Contract] = {
    contract.table: contract
    for contract in (
        ledger.RESPONSE,
        ledger.TRANSACTION,
        reference.SERIES,
        reference.ASKED,
        reference.INSTRUMENT,
        reference.RELEASE,
        observation.OBSERVATION,
        exchange.BAR,
        exchange.STATISTIC,
        observation.QUARANTINE,
        market.SESSION,
        market.EARLIER_SESSION,
        features.ORIGIN,
        features.GENERATION,
        features.TARGET,
        evaluation.FOLD_FORECAST,
        evaluation.FOLD,
        evaluation.ABSENCE,
        evaluation.SCORE,
        evaluation.MODEL_CODE,
        evaluation.ROUND,
        evaluation.DECISION,
        evaluation.VERSION,
        issued.FORECAST,
        issued.ABSTENTION,
        issued.SCORE,
    )
}


def contract(table: str) -> Contract:
    """The contract of a table.

    Raises:
        KeyError: no such table; the message lists the tables there are.
    """
    if table not in CONTRACTS:
        raise KeyError(f"no contract for {table!r}; tables: {', '.join(CONTRACTS)}")
    return CONTRACTS[table]
