"""What the warehouse must know of the ledger that it is filled from, which knows the warehouse."""

from __future__ import annotations

from typing import Protocol

from cbi_pipeline.warehouse._store import Store


class Log(Protocol):
    """What the warehouse was filled from, as far as it must know."""

    @property
    def has_entries(self) -> bool:
        """Whether anything was ever ingested."""
        ...

    def require_level(self, store: Store) -> None:
        """Raise where an open warehouse does not hold what was ingested."""
        ...
