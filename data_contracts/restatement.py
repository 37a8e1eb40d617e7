"""Values that changed as no market does: by a unit's factor, a power of ten, or nearly all at once.

A publisher's typing error and a change of unit look like this; so does, now and then, a change that
is meant. So nothing here says that a value is wrong: it says that one sight of it is not enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from statistics import median

import polars as pl

from data_contracts.family import Family

#: What one unit of a quantity is in another: gallons and litres of a barrel, litres of a gallon,
#: pounds of a kilogram and of a tonne, short tons of a tonne, gigajoules of a million Btu, million
#: Btu of a megawatt hour, bushels of wheat and of maize of a tonne, grams of a troy ounce, troy
#: ounces of a kilogram, cubic feet of a cubic metre.
UNIT_FACTORS = (
    *(42.0, 158.987, 3.78541, 2.20462, 2204.62, 1.10231, 1.05506, 3.41214),
    *(36.7437, 39.3680, 31.1035, 32.1507, 35.3147),
)
FACTOR, MASS = "factor_of_", "mass_restatement"

#: Relative error up to which a ratio is a factor: a restated value is the same value, and a new one
#: is the next of a market that moved as well.
_RESTATED, _NEXT = 0.005, 0.05
#: Values with one unit's factor, and values restated at all, that are too many for chance.
_FEW_BY_UNIT, _FEW_RESTATED = 3, 5
#: A new value is compared where the values before it lie within this factor of each other, and a
#: market does not jump by a smaller one of the unit factors.
_CALM, _BEFORE, _FAR = 3.0, 20, 5.0
#: The newest value is a jump where it lies this many median steps of as many values before it away
#: from each of the last few; on WTI since 1986 that is one day in seven hundred.
_JUMP, _USUAL, _LAST = 10.0, 250, 5
_CELL = ["series_id", "period"]

FOUND = {"series_id": pl.String, "rule": pl.String, "detail": pl.String}


def is_confirmable(rule: str) -> bool:
    """Whether rows that broke a rule are let in once they have been seen again."""
    return rule == MASS or rule.startswith(FACTOR)


def is_jump(values: Sequence[float]) -> bool:
    """Whether the newest of some values is far from those before it, by what is usual for them.

    Nothing is claimed of fewer than twenty values before it, or of values that hardly ever change.

    Args:
        values: values of one series, oldest first.
    """
    *before, newest = values[-_USUAL - 1 :] or [0.0]
    if len(before) < _BEFORE:
        return False
    usual = median(abs(after - value) for value, after in pairwise(before))
    return usual > 0 and min(abs(newest - value) for value in before[-_LAST:]) > _JUMP * usual


def describe_jump(period: date, value: float, unit: str) -> str:
    """That a value far from those before it is used as it came, in words."""
    return (
        f"unconfirmed: the value of {period}, {value:g} {unit}, is far from those before it; it is "
        "used as it came"
    )


def find_restatements(
    rows: pl.DataFrame, held: pl.DataFrame, families: Mapping[str, Family]
) -> pl.DataFrame:
    """Series whose new rows are not to be believed at first sight, one line each.

    Args:
        rows: series_id, period and value as they came, null where there is none.
        held: the same as held before, sorted by series and period.
        families: family by series id; its shape says whether sizes mean anything, and its
            ``restated_share`` how much of what is held one answer may change.

    Returns:
        series_id, rule and detail, in words.
    """
    sized = [name for name, one in families.items() if one.shape.scale_limit is not None]
    valued = rows.select(*_CELL, "value").drop_nulls()
    before = held.select(*_CELL, "value").drop_nulls()
    met = valued.join(before, on=_CELL, suffix="_held")
    changed = met.filter(pl.col("value") != pl.col("value_held"))
    found = [
        _factors(changed.filter(pl.col("series_id").is_in(sized))),
        _jumps(valued.filter(pl.col("series_id").is_in(sized)), before),
        _masses(met, changed, families),
    ]
    return pl.concat(found).unique("series_id", keep="first", maintain_order=True)


def _factors(changed: pl.DataFrame) -> pl.DataFrame:
    ratio = pl.col("value") / pl.col("value_held")
    counted = (
        changed.with_columns(
            _power(ratio, _RESTATED), _unit(ratio, _RESTATED), number=pl.len().over("series_id")
        )
        .with_columns(factor=pl.coalesce("power", "unit"))
        .drop_nulls("factor")
        .group_by("series_id", "number", "factor")
        .agg(same=pl.len(), power=pl.col("power").is_not_null().all())
    )
    enough = pl.col("power") | (
        (pl.col("same") >= _FEW_BY_UNIT) & (pl.col("same") * 2 > pl.col("number"))
    )
    return (
        counted.filter(enough)
        .sort("series_id", "same", "factor", descending=[False, True, False])
        .select(
            "series_id",
            rule=pl.format(FACTOR + "{}", "factor"),
            detail=pl.format(
                "{} of {} restated values changed by the factor {}", "same", "number", "factor"
            ),
        )
    )  # fmt: skip


def _jumps(rows: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    last = pl.col("value").tail(_BEFORE)
    before = held.group_by("series_id", maintain_order=True).agg(
        pl.col("period").last().alias("newest"),
        pl.col("value").last().alias("value_held"),
        low=last.min(),
        high=last.max(),
        number=last.len(),
    )
    ratio = pl.col("value") / pl.col("value_held")
    return (
        rows.join(before, on="series_id")
        .filter(pl.col("period") > pl.col("newest"), pl.col("low") > 0, pl.col("number") == _BEFORE)
        .filter(pl.col("high") < pl.col("low") * _CALM)
        .sort(_CELL)
        .unique("series_id", keep="first", maintain_order=True)
        .with_columns(_power(ratio, _NEXT), _unit(ratio, _NEXT, _FAR))
        .with_columns(factor=pl.coalesce("power", "unit"))
        .drop_nulls("factor")
        .select(
            "series_id",
            rule=pl.format(FACTOR + "{}", "factor"),
            detail=pl.format(
                "the value of {} differs from the one before by about the factor {}",
                "period",
                "factor",
            ),
        )
    )


def _masses(
    met: pl.DataFrame, changed: pl.DataFrame, families: Mapping[str, Family]
) -> pl.DataFrame:
    limits = pl.DataFrame(
        [(name, one.restated_share) for name, one in families.items()],
        schema={"series_id": pl.String, "limit": pl.Float64},
        orient="row",
    ).drop_nulls()
    return (
        changed.group_by("series_id")
        .len("number")
        .join(met.group_by("series_id").len("of"), on="series_id")
        .join(limits, on="series_id")
        .filter(
            pl.col("number") >= _FEW_RESTATED,
            pl.col("number") > pl.col("of") * pl.col("limit"),
        )
        .sort("series_id")
        .select(
            "series_id",
            rule=pl.lit(MASS),
            detail=pl.format("{} of {} values that were held are restated", "number", "of"),
        )
    )


def _power(ratio: pl.Expr, error: float) -> pl.Expr:
    """The power of ten that a ratio is, as text; null when it is none."""
    exponent = ratio.log10().round()
    near = (ratio / pl.lit(10.0).pow(exponent) - 1).abs() <= error
    size = pl.lit(10.0).pow(exponent.abs()).cast(pl.Int64, strict=False).cast(pl.String)
    text = pl.when(exponent > 0).then(size).otherwise(pl.format("1/{}", size))
    return pl.when((ratio > 0) & near & (exponent != 0)).then(text).alias("power")


def _unit(ratio: pl.Expr, error: float, least: float = 1.0) -> pl.Expr:
    """The unit factor that a ratio is, as text; null when it is none."""
    factors = [factor for factor in UNIT_FACTORS if factor >= least]
    texts = {factor: f"{factor:g}" for factor in factors}
    texts |= {1 / factor: f"1/{factor:g}" for factor in factors}
    cases = [
        pl.when((ratio / factor - 1).abs() <= error).then(pl.lit(text))
        for factor, text in texts.items()
    ]
    return pl.coalesce(cases).alias("unit")
