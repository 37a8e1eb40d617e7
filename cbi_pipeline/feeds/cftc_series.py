"""The markets of the CFTC's Commitments of Traders, and the data sets that hold them."""

from __future__ import annotations

from datetime import date

from cbi_pipeline.feeds.source import Series
from data_contracts.cftc import measures

#: Report to data set; futures only.
DATASETS = {"legacy": "6dca-aqww", "disaggregated": "72hh-3qpy", "financial": "gpe5-46if"}

_ENERGY = {
    "067651": "WTI crude oil, NYMEX",
    "023651": "Henry Hub natural gas, NYMEX",
    "111659": "RBOB gasoline, NYMEX",
    "022651": "New York Harbor ULSD, NYMEX",
}
_MARKETS = {
    "legacy": _ENERGY,
    "disaggregated": _ENERGY,
    "financial": {"098662": "U.S. dollar index, ICE"},
}
#: The weekdays and week lengths of the contract were proven on reports from here on.
SINCE = date(2009, 1, 1)


def report_id(report: str, code: str) -> str:
    """Our id of one market's report."""
    return f"CFTC.{report}.{code}"


def series_id(report: str, code: str, column: str) -> str:
    """Our id of one column of one market's report."""
    return f"{report_id(report, code)}.{column}"


def _series(report: str, code: str, market: str, column: str) -> Series:
    return Series(
        id=series_id(report, code, column),
        code=code,
        family=f"cftc_{report}",
        name=f"{market}: {column}",
        unit="contracts",
        frequency="weekly",
        group=report,
        since=SINCE,
        dimensions={"market": code, "column": column},
        report=report_id(report, code),
    )


SERIES = tuple(
    _series(report, code, market, column)
    for report, markets in _MARKETS.items()
    for code, market in markets.items()
    for column in measures(report)
)
