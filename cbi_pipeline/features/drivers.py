"""Features of weekly petroleum data and of the Monthly Energy Review, on regular grids.

A period that was never published, or was withdrawn, stays a hole in its grid: changes across it
are absent, nothing is carried forward.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cbi_pipeline.features import transforms as t
from cbi_pipeline.features.feature_set import Driver, Feature
from cbi_pipeline.features.known import Floats, Ints, Transform

_WEEKLY = {
    "stocks": ("EIA.WTTSTUS1", "stocks of crude and products"),
    "utilisation": ("EIA.WPULEUS3", "refinery utilisation"),
    "crude_output": ("EIA.WCRFPUS2", "field production of crude"),
    "imports": ("EIA.WTTIMUS2", "imports of crude and products"),
    "exports": ("EIA.WTTEXUS2", "exports of crude and products"),
    "demand": ("EIA.WRPUPUS2", "product supplied"),
    "gasoline_output": ("EIA.WGFRPUS2", "production of finished gasoline"),
    "gasoline_demand": ("EIA.WGFUPUS2", "finished gasoline supplied"),
}
_MONTHLY = {
    "petroleum_use": ("EIA.MER.PMTCBUS", "petroleum consumption"),
    "petroleum_output": ("EIA.MER.PAPRBUS", "crude oil production"),
    "petroleum_imports": ("EIA.MER.PMIMBUS", "petroleum imports"),
    "petroleum_exports": ("EIA.MER.PMEXBUS", "petroleum exports"),
}


def weekly_drivers() -> tuple[Driver, ...]:
    """One driver per weekly petroleum series: stocks also by their one-week change."""
    return tuple(
        Driver(
            series_id=series_id,
            family="eia_wpsr",
            group="weekly",
            features=_weekly_features(name, words, changes),
            transform=_weekly(changes),
        )
        for name, (series_id, words) in _WEEKLY.items()
        for changes in [(1, 4) if name == "stocks" else (4,)]
    )


def monthly_drivers() -> tuple[Driver, ...]:
    """One driver per series of the Monthly Energy Review, each month in the newest issue."""
    return tuple(
        Driver(
            series_id=series_id,
            family="eia_mer_monthly",
            group="monthly",
            features=(Feature(f"{name}_year", f"log change over 12 months of {words}", "log"),),
            transform=_on_grid(_month, lambda level: [t.change(level, 12)]),
        )
        for name, (series_id, words) in _MONTHLY.items()
    )


def _weekly_features(name: str, words: str, changes: tuple[int, ...]) -> tuple[Feature, ...]:
    return (
        *(
            Feature(f"{name}_change_{n}", f"log change over {n} week(s) of {words}", "log")
            for n in changes
        ),
        Feature(
            f"{name}_season",
            f"(log of {words} - its mean around the same week of the last 5 years, at least 2) / "
            "its standard deviation over 260 weeks, at least 104",
            "standard deviation",
        ),
    )


def _weekly(changes: tuple[int, ...]) -> Transform:
    def columns(level: Floats) -> list[Floats]:
        usual = t.seasonal_mean(level, season=52, years=5, least=6)
        spread = t.moving_deviation(level, window=260, least=104)
        return [*(t.change(level, n) for n in changes), t.ratio(level - usual, spread)]

    return _on_grid(_week, columns)


def _on_grid(grid: Callable[[Ints], Ints], columns: Callable[[Floats], list[Floats]]) -> Transform:
    """Applies ``columns`` to the log values on a grid without gaps; NaN where nothing is known."""

    def transform(period: Ints, value: Floats) -> Floats:
        place = grid(period) - grid(period[:1])
        if (np.diff(place) < 1).any():
            raise ValueError(
                "two periods of one series fall into one week or month; quarantine one"
            )
        level = np.full(int(place[-1]) + 1, np.nan)
        level[place] = t.log(value)
        known: Floats = np.column_stack(columns(level))[place]
        return known

    return transform


def _week(day: Ints) -> Ints:
    """Number of the week, Saturday to Friday, that holds the day."""
    return (day + 5) // 7


def _month(day: Ints) -> Ints:
    """Number of the calendar month that holds the day."""
    return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
