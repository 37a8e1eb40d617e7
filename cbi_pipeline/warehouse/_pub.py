"""The door for applications: the published snapshot, with the ``pub`` schema in front."""

from __future__ import annotations

from pathlib import Path

import duckdb

from cbi_pipeline.settings import load_settings
from cbi_pipeline.warehouse._warehouse import Warehouse


def connect(home: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open the published data for an application; close the connection when done.

    Plain names mean the views of the ``pub`` schema (``latest_forecast``, ``forecast``, ``price``,
    ``score``, ``model``, ``freshness``, ``quarantine``; ``version`` says which version of them);
    ``cbi data tables`` says what their columns are. They are the tables to build on; everything
    outside ``pub`` may change.

    Args:
        home: private folder of the product; by default the one the settings name.

    Returns:
        A read-only connection; instants are UTC. It shows one snapshot for as long as it is open.

    Raises:
        NothingPublished: nothing was published there yet.
        LayoutChanged: an earlier version wrote it, and it cannot be migrated here.
        LayoutTooNew: a newer version wrote it.
    """
    folder = load_settings().home if home is None else home
    connection = Warehouse(folder / "warehouse").open_published()
    connection.execute("SET schema = 'pub'")
    return connection
