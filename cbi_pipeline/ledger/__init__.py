"""Response bytes by hash, the manifest beside them, and the masking of secrets."""

from cbi_pipeline.ledger._blobs import LedgerDamaged, sync_folder, write_durably
from cbi_pipeline.ledger._ledger import Ledger, Response
from cbi_pipeline.ledger._masking import Masked, mask

__all__ = [
    "Ledger",
    "LedgerDamaged",
    "Masked",
    "Response",
    "mask",
    "sync_folder",
    "write_durably",
]
