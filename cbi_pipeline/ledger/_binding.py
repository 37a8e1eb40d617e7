"""A home's warehouse, bound to its ledger."""

from __future__ import annotations

from cbi_pipeline.ledger._ledger import Ledger
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Warehouse


def bind_warehouse(settings: Settings) -> Warehouse:
    """The warehouse of the settings, which refuses to write behind or ahead of their ledger."""
    return Warehouse(settings.warehouse_dir, ledger=Ledger(settings.ledger_dir))
