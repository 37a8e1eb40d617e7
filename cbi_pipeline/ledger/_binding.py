"""A home's warehouse, bound to its ledger."""

from __future__ import annotations

from cbi_pipeline.ledger._ledger import Ledger
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Warehouse


def bind_warehouse(settings: Settings, *, wait_s: float = 60.0) -> Warehouse:
    """The warehouse of the settings, which refuses to write behind or ahead of their ledger.

    Args:
        settings: where both lie.
        wait_s: seconds a writer waits for another one before it gives up.
    """
    return Warehouse(settings.warehouse_dir, wait_s=wait_s, ledger=Ledger(settings.ledger_dir))
