"""The shape of a whole series: its order, its spacing, how many values differ, its scale.

These rules see what no rule about a row can: a hole in the calendar, a publisher that starts
rounding, a change of unit that leaves every value within its bounds. The limits stand in the
families; each leaves room beyond the worst of the real records it was set on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

#: Values a rounding publisher is recognised by, and values on both sides of a change of scale.
DISTINCT_WINDOW = 40
SCALE_AFTER, SCALE_BEFORE = 5, 20
#: Values before one by which its scale is judged.
SCALE_CONTEXT = SCALE_AFTER + SCALE_BEFORE - 1

FINDINGS = {"rule": pl.String, "series_id": pl.String, "period": pl.Date, "detail": pl.String}

_GROUP = ["part", "series_id"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the values of a series keep as a whole; None where a family claims nothing.

    Attributes:
        ascending: a delivery names its periods in rising order.
        spacing: fewest and most days from a period to the next.
        distinct_floor: least share of different values among 40 in a row.
        scale_limit: most by which the median size of 5 values may differ, as a factor, from that
            of the 20 before them.
    """

    ascending: bool = False
    spacing: tuple[int, int] | None = None
    distinct_floor: float | None = None
    scale_limit: float | None = None

    def is_local(self, *, in_order: bool) -> bool:
        """Whether values are compared with no more than ``SCALE_CONTEXT`` values before them.

        Args:
            in_order: whether rows come in the order of their periods by themselves.
        """
        is_ordered = in_order or not self.ascending
        return is_ordered and self.spacing is None and self.distinct_floor is None


def findings(
    rows: pl.DataFrame, refused: pl.DataFrame, shapes: Mapping[str, Shape]
) -> pl.DataFrame:
    """Where series break their shape.

    Args:
        rows: part (number of the response), series_id, period and value, in the order of the
            source; accepted rows.
        refused: part and series_id of each row set aside: as many holes are explained.
        shapes: shape by series id.

    Returns:
        rule, series_id, period and detail of each finding, by rule and series.
    """
    claimed = rows.join(_limits(shapes), on="series_id", maintain_order="left")
    parts = [pl.DataFrame(schema=FINDINGS)]
    if any(shape.ascending for shape in shapes.values()):
        parts.append(_find_unordered(claimed))
    if any(replace(shape, ascending=False) != Shape() for shape in shapes.values()):
        ordered = claimed.sort(*_GROUP, "period", maintain_order=True)
        valued = ordered.filter(pl.col("value").is_not_null())
        if any(shape.spacing is not None for shape in shapes.values()):
            parts.append(_find_misplaced(ordered, refused))
        if any(shape.distinct_floor is not None for shape in shapes.values()):
            parts.append(_find_rounded(valued))
        if any(shape.scale_limit is not None for shape in shapes.values()):
            parts.append(_find_rescaled(valued))
    return pl.concat(part.select(*FINDINGS).cast(pl.Schema(FINDINGS)) for part in parts).sort(
        "rule", "series_id", "period"
    )


def _limits(shapes: Mapping[str, Shape]) -> pl.DataFrame:
    rows = [
        (name, shape.ascending, *(shape.spacing or (None, None)), shape.distinct_floor,
         shape.scale_limit)
        for name, shape in shapes.items()
    ]  # fmt: skip
    schema = {
        "series_id": pl.String,
        "ascending": pl.Boolean,
        "fewest": pl.Int64,
        "most": pl.Int64,
        "floor": pl.Float64,
        "limit": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _find_unordered(rows: pl.DataFrame) -> pl.DataFrame:
    step = pl.col("period").diff().dt.total_days().over(_GROUP)
    return rows.filter("ascending", step <= 0).with_columns(
        rule=pl.lit("ascending_periods"), detail=pl.format("{} comes too late", "period")
    )


def _find_misplaced(rows: pl.DataFrame, refused: pl.DataFrame) -> pl.DataFrame:
    days = pl.col("period").diff().dt.total_days().over(_GROUP)
    misplaced = rows.with_columns(days=days).filter(~pl.col("days").is_between("fewest", "most"))
    explained = refused.group_by(_GROUP).len("explained")
    return (
        misplaced.join(explained, on=_GROUP, how="left")
        .filter(pl.len().over(_GROUP) > pl.col("explained").fill_null(0))
        .with_columns(
            rule=pl.lit("period_spacing"),
            detail=pl.format(
                "{} is {} days after the period before, expected {} to {}",
                "period", "days", "fewest", "most",
            ),
        )
    )  # fmt: skip


def _find_rounded(rows: pl.DataFrame) -> pl.DataFrame:
    # Blocks are counted from the newest value, so that a change is seen as soon as it fills one.
    block = (pl.len() - 1 - pl.int_range(pl.len())) // DISTINCT_WINDOW
    blocks = (
        rows.with_columns(block=block.over(_GROUP))
        .group_by(*_GROUP, "block", "floor")
        .agg(pl.col("period").max(), size=pl.len(), different=pl.col("value").n_unique())
    )
    return blocks.filter(
        pl.col("size") == DISTINCT_WINDOW,
        pl.col("different") < pl.col("floor") * DISTINCT_WINDOW,
    ).with_columns(
        rule=pl.lit("distinct_values"),
        detail=pl.format(
            f"{{}} different values among the {DISTINCT_WINDOW} up to {{}}", "different", "period"
        ),
    )


def _find_rescaled(rows: pl.DataFrame) -> pl.DataFrame:
    size = pl.col("value").abs()
    after = size.rolling_median(SCALE_AFTER).over(_GROUP)
    before = size.rolling_median(SCALE_BEFORE).shift(SCALE_AFTER).over(_GROUP)
    factor = pl.when(after > 0, before > 0).then(pl.max_horizontal(after / before, before / after))
    return (
        rows.with_columns(factor=factor)
        .filter(pl.col("factor") > pl.col("limit"))
        .with_columns(
            rule=pl.lit("scale_change"),
            detail=pl.format(
                "values up to {} are another size than those before, by a factor of {}",
                "period",
                pl.col("factor").round(1),
            ),
        )
    )
