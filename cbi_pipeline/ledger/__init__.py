"""Response bytes by hash, the manifest beside them, and the masking of secrets."""

from cbi_pipeline.ledger._binding import bind_warehouse
from cbi_pipeline.ledger._blobs import sync_folder, write_durably
from cbi_pipeline.ledger._errors import LedgerDamaged
from cbi_pipeline.ledger._ledger import Ledger, Response
from cbi_pipeline.ledger._lines import append_line, read_documents, whole_lines
from cbi_pipeline.ledger._masking import Masked, mask
from cbi_pipeline.ledger._transactions import Entry

__all__ = [
    "Entry",
    "Ledger",
    "LedgerDamaged",
    "Masked",
    "Response",
    "append_line",
    "bind_warehouse",
    "mask",
    "read_documents",
    "sync_folder",
    "whole_lines",
    "write_durably",
]
