"""Response bytes by hash, the manifest beside them, and the masking of secrets."""

from cbi_pipeline.ledger._blobs import LedgerDamaged, sync_folder, write_durably
from cbi_pipeline.ledger._ledger import Ledger, Response
from cbi_pipeline.ledger._lines import append_line, whole_lines
from cbi_pipeline.ledger._masking import Masked, mask
from cbi_pipeline.ledger._transactions import Entry

__all__ = [
    "Entry",
    "Ledger",
    "LedgerDamaged",
    "Masked",
    "Response",
    "append_line",
    "mask",
    "sync_folder",
    "whole_lines",
    "write_durably",
]
