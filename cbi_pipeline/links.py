"""Addresses of what the home holds, as ``cbi ui`` shows it beside Dagster's pages."""

from __future__ import annotations

from urllib.parse import quote

#: First part of each, which no page of Dagster's has.
PREFIX = "/cbi"


def link_report(name: str) -> str:
    """Of a report, by the name of its file."""
    return f"{PREFIX}/reports/{quote(name)}"


def link_plot(name: str) -> str:
    """Of a plot, by its path below the folder of plots."""
    return f"{PREFIX}/plots/{quote(name)}"


def link_run(run_id: str) -> str:
    """Of an MLflow run."""
    return f"{PREFIX}/mlflow/runs/{run_id}"
