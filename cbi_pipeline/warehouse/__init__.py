"""The warehouse: one writer, published snapshots, reads as of an instant.

Everything the product knows lies in one DuckDB file whose tables are made from the contracts.
Writers open it in turn, briefly; readers open the newest published snapshot, which never changes
under them.
"""

from cbi_pipeline.warehouse._errors import (
    AheadOfLedger,
    BehindLedger,
    NothingPublished,
    WarehouseBusy,
    WarehouseError,
)
from cbi_pipeline.warehouse._lineage import lineage
from cbi_pipeline.warehouse._pub import connect
from cbi_pipeline.warehouse._store import Store
from cbi_pipeline.warehouse._warehouse import Warehouse

__all__ = [
    "AheadOfLedger",
    "BehindLedger",
    "NothingPublished",
    "Store",
    "Warehouse",
    "WarehouseBusy",
    "WarehouseError",
    "connect",
    "lineage",
]
