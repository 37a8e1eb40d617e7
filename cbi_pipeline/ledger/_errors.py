"""What can be wrong with the ledger."""


class LedgerDamaged(RuntimeError):
    """Stored bytes or lines are gone or not as they were written; the message names the file."""
