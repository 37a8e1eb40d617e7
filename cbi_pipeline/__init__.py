"""Commodity forecasting from authenticated feeds to registered models and a morning report.

``connect`` opens the published data for an application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cbi_pipeline.warehouse import connect

__all__ = ["connect"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Importing the package must stay light: Dagster, the command line and tests all do.
    if name == "connect":
        from cbi_pipeline.warehouse import connect

        return connect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
