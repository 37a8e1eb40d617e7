"""What can go wrong with the warehouse.

* WarehouseError
    * NothingPublished
    * NotPublished
    * WarehouseBusy
    * LayoutChanged
    * LayoutTooNew
    * DatabaseDamaged (also a duckdb.IOException)
    * DatabaseRefused (likewise)
    * BehindLedger
    * AheadOfLedger
    * ReadOnlyStore
    * DuplicateKey (also a ValueError)
"""

from __future__ import annotations

from pathlib import Path

import duckdb


class WarehouseError(Exception):
    """Base of every error of this package."""


class NothingPublished(WarehouseError):
    """No snapshot exists yet, so there is nothing to read."""


class NotPublished(WarehouseError):
    """A run ended, and what it stored could not be published; the snapshot before stays."""


class WarehouseBusy(WarehouseError):
    """Another writer kept the warehouse for longer than this one was willing to wait."""


class LayoutChanged(WarehouseError):
    """The stored tables do not have the columns of today's contracts."""


class LayoutTooNew(WarehouseError):
    """A newer version of the program wrote the stored tables."""


class DatabaseDamaged(WarehouseError, duckdb.IOException):
    """A database file cannot be read: cut short, overwritten, or something else in its place."""


class DatabaseRefused(WarehouseError, duckdb.IOException):
    """The system gave a database no room, no memory or no access."""


class BehindLedger(WarehouseError):
    """The warehouse lacks ingestions that the ledger holds: it was lost, or is an older copy."""


class AheadOfLedger(WarehouseError):
    """The ledger lacks ingestions that the warehouse holds: it was lost, or is an older copy."""


class ReadOnlyStore(WarehouseError):
    """A write was tried on a published snapshot."""


class DuplicateKey(WarehouseError, ValueError):
    """An append repeats a key, within itself or with a stored row."""


def explain_unmigrated(root: Path, error: OSError | WarehouseError) -> WarehouseError:
    """Why a home of an earlier version cannot be read: its migration failed."""
    if isinstance(error, WarehouseError):
        return error
    return LayoutChanged(
        f"{root} was written by an earlier version of the program and could not be brought up to "
        f"date ({error.strerror}): make it writable and run the same command again"
    )
