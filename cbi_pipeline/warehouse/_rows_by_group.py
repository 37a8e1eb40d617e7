"""How rows of one table with lists became a table of origins and one of named columns a group.

What stands here is what those rows were, whatever the groups are today; it is never edited.
"""

from __future__ import annotations

from collections.abc import Iterator

SOURCE = "features.row"

#: Columns of each group, in the order of the lists; ages stood in the order of the groups.
_COLUMNS = {
    "own_price": [
        "return_1",
        "return_2",
        "return_3",
        "return_5",
        "return_10",
        "return_21",
        "return_63",
        "vol_1",
        "vol_5",
        "vol_21",
        "vol_63",
        "vol_year",
        "vol_ewma",
        "distance_21",
        "distance_63",
        "distance_year",
        "drawdown_year",
        "downside_21",
        "largest_21",
        "season_sin_1",
        "season_cos_1",
        "season_sin_2",
        "season_cos_2",
    ],
    "related_price": ["other_return_week", "other_return_month", "other_vol_ewma", "margin"],
    "petroleum_weekly": [
        "stocks_change_1",
        "stocks_change_4",
        "stocks_season",
        "utilisation_change_4",
        "utilisation_season",
        "crude_output_change_4",
        "crude_output_season",
        "imports_change_4",
        "imports_season",
        "exports_change_4",
        "exports_season",
        "demand_change_4",
        "demand_season",
        "gasoline_output_change_4",
        "gasoline_output_season",
        "gasoline_demand_change_4",
        "gasoline_demand_season",
    ],
    "petroleum_monthly": [
        "petroleum_use_year",
        "petroleum_output_year",
        "petroleum_imports_year",
        "petroleum_exports_year",
    ],
}

ORIGINS = """
    SELECT feature_set AS generation, commodity, session, decision_at, price, variance_ewma,
           variance_long, ready
    FROM features.row"""

#: The outcome of an origin is the same in every set; the one with the newest is whole.
TARGETS = """
    SELECT * EXCLUDE feature_set FROM features.target
    QUALIFY feature_set = arg_max(feature_set, available_at) OVER (PARTITION BY commodity)"""


def selects() -> Iterator[tuple[str, str]]:
    """Each group's table, and the SELECT of its rows."""
    first = 1
    for number, (group, names) in enumerate(_COLUMNS.items(), start=1):
        last = first + len(names) - 1
        columns = ", ".join(
            f'CASE WHEN mask[{i}] THEN "values"[{i}] END AS {name}'
            for i, name in enumerate(names, start=first)
        )
        # An age of 0 stood for never, unless something of that very instant was there.
        never = f"ages[{number}] = 0 AND NOT list_contains(mask[{first}:{last}], true)"
        yield (
            f"features.{group}",
            f"SELECT feature_set AS generation, commodity, session, decision_at, {columns}, "
            f"CASE WHEN {never} THEN NULL ELSE ages[{number}] END AS age, NULL::DOUBLE AS assumed "
            f"FROM {SOURCE}",
        )
        first = last + 1
