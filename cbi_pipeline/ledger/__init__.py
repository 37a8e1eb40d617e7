"""Response bytes by hash, the manifest beside them, and the masking of secrets."""

from cbi_pipeline.ledger._binding import bind_warehouse
from cbi_pipeline.ledger._errors import LedgerDamaged
from cbi_pipeline.ledger._ledger import Ledger, Response
from cbi_pipeline.ledger._lines import Readings, append_line, examine_documents, read_documents
from cbi_pipeline.ledger._masking import mask
from cbi_pipeline.ledger._transactions import Entry, select_lasting
from cbi_pipeline.ledger._verification import verify_files

__all__ = [
    "Entry",
    "Ledger",
    "LedgerDamaged",
    "Readings",
    "Response",
    "append_line",
    "bind_warehouse",
    "examine_documents",
    "mask",
    "read_documents",
    "select_lasting",
    "verify_files",
]
