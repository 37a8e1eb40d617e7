"""Decision instants: when a price that became public is first acted on."""

from __future__ import annotations

# Ingestion, a floor below, dates values by the same rule, so the contracts hold it.
from data_contracts.decision import DECISION_HOUR, DECISION_ZONE, decision_at

__all__ = ["DECISION_HOUR", "DECISION_ZONE", "decision_at"]
