"""The door for applications: the published snapshot, with the ``pub`` schema in front."""

from __future__ import annotations

from pathlib import Path

import duckdb

from cbi_pipeline.settings import load_settings
from cbi_pipeline.warehouse._connection import open_snapshot


def connect(home: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open the published data for an application; close the connection when done.

    Plain names mean the views of the ``pub`` schema (``price``, ``forecast``, ``score``,
    ``model``, ``freshness``, ``quarantine``; ``version`` says which version of them). They are the
    tables to build on; everything outside ``pub`` may change.

    Args:
        home: private folder of the product; by default the one the settings name.

    Returns:
        A read-only connection; instants are UTC. It shows one snapshot for as long as it is open.

    Raises:
        NothingPublished: nothing was published there yet.
    """
    folder = load_settings().home if home is None else home
    connection = open_snapshot(folder / "warehouse" / "published" / "current")
    connection.execute("SET schema = 'pub'")
    return connection
