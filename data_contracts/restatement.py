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
#: Values, the newest among them, that decide whether it is a jump.
JUMP_CONTEXT = _USUAL + 1
_CELL = ["series_id", "period"]
_VALUED = [*_CELL, "value"]

FINDINGS = {"series_id": pl.String, "rule": pl.String, "detail": pl.String}


def is_confirmable(rule: str) -> bool:
    """Whether rows that broke a rule are let in once they have been seen again."""
    return rule == MASS or rule.startswith(FACTOR)


def is_jump(values: Sequence[float]) -> bool:
    """Whether the newest of some values is far from those before it, by what is usual for them.

    Nothing is claimed of fewer than twenty values before it, or of values that hardly ever change.

    Args:
        values: values of one series, oldest first.
    """
    *before, newest = values[-JUMP_CONTEXT:] or [0.0]
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
    rows: pl.DataFrame, stored: pl.DataFrame, families: Mapping[str, Family]
) -> pl.DataFrame:
    """Series whose new rows are not to be believed at first sight, one line each.

    Args:
        rows: series_id, period and value as they came, null where there is none.
        stored: the same as stored before, sorted by series and period.
        families: family by series id; its shape says whether sizes mean anything, and its
            ``restated_share`` how much of what is stored one answer may change.

    Returns:
        series_id, rule and detail, in words.
    """
    restatements = Restatements(families)
    restatements.add(rows, stored)
    return restatements.find()


class Restatements:
    """What of some series is restated, counted a stretch of periods after the other.

    Args:
        families: as of :func:`find_restatements`.
    """

    def __init__(self, families: Mapping[str, Family]) -> None:
        self._families = families
        self._sized = [
            name for name, rules in families.items() if rules.shape.scale_limit is not None
        ]
        self._factors: list[pl.DataFrame] = []
        self._masses: list[pl.DataFrame] = []
        self._last: list[pl.DataFrame] = []
        self._next: list[pl.DataFrame] = []

    def add(self, rows: pl.DataFrame, stored: pl.DataFrame) -> None:
        """Add the rows of a later stretch than those before.

        Args:
            rows: as of :func:`find_restatements`.
            stored: as there, of the same series and periods.
        """
        valued, before = (part.select(_VALUED).drop_nulls() for part in (rows, stored))
        met = valued.join(before, on=_CELL, suffix="_held")
        changed = met.filter(pl.col("value") != pl.col("value_held"))
        self._masses.append(
            met.group_by("series_id").agg(
                of=pl.len(), number=(pl.col("value") != pl.col("value_held")).sum()
            )
        )
        sized = pl.col("series_id").is_in(self._sized)
        self._factors.append(_count_factors(changed.filter(sized)))
        self._note_ends(valued.filter(sized), before)

    def find(self) -> pl.DataFrame:
        """Series, rule and detail, as of :func:`find_restatements`."""
        if not self._masses:
            return pl.DataFrame(schema=FINDINGS)
        counts = pl.concat(self._masses).group_by("series_id").sum()
        findings = [
            _describe_factors(pl.concat(self._factors), counts),
            _describe_jumps(pl.concat(self._next), pl.concat(self._last)),
            _describe_masses(counts, self._families),
        ]
        return pl.concat(findings).unique("series_id", keep="first", maintain_order=True)

    def _note_ends(self, rows: pl.DataFrame, stored: pl.DataFrame) -> None:
        """Keep the last values held of each series, and the first new one that follows them."""
        last = pl.concat([*self._last, stored]).group_by("series_id").tail(_BEFORE)
        newest = last.group_by("series_id").agg(newest=pl.col("period").max())
        following = (
            pl.concat([*self._next, rows])
            .join(newest, on="series_id")
            .filter(pl.col("period") > pl.col("newest"))
        )
        first = following.sort(_CELL).unique("series_id", keep="first", maintain_order=True)
        self._last, self._next = [last.select(_VALUED)], [first.select(_VALUED)]


def _count_factors(changed: pl.DataFrame) -> pl.DataFrame:
    ratio = pl.col("value") / pl.col("value_held")
    return (
        changed.with_columns(_power(ratio, _RESTATED), _unit(ratio, _RESTATED))
        .with_columns(factor=pl.coalesce("power", "unit"))
        .drop_nulls("factor")
        .group_by("series_id", "factor")
        .agg(same=pl.len(), power=pl.col("power").is_not_null().all())
    )


def _describe_factors(factors: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    enough = pl.col("power") | (
        (pl.col("same") >= _FEW_BY_UNIT) & (pl.col("same") * 2 > pl.col("number"))
    )
    return (
        factors.group_by("series_id", "factor")
        .agg(pl.col("same").sum(), pl.col("power").all())
        .join(counts, on="series_id")
        .filter(enough)
        .sort("series_id", "same", "factor", descending=[False, True, False])
        .select(
            "series_id",
            rule=pl.format(FACTOR + "{}", "factor"),
            detail=pl.format(
                "{} of {} restated values changed by the factor {}", "same", "number", "factor"
            ),
        )
    )  # fmt: skip


def _describe_jumps(first_new: pl.DataFrame, last_held: pl.DataFrame) -> pl.DataFrame:
    before = last_held.group_by("series_id").agg(
        pl.col("value").sort_by("period").last().alias("value_held"),
        low=pl.col("value").min(),
        high=pl.col("value").max(),
        number=pl.len(),
    )
    ratio = pl.col("value") / pl.col("value_held")
    return (
        first_new.join(before, on="series_id")
        .filter(pl.col("low") > 0, pl.col("number") == _BEFORE)
        .filter(pl.col("high") < pl.col("low") * _CALM)
        .sort(_CELL)
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


def _describe_masses(counts: pl.DataFrame, families: Mapping[str, Family]) -> pl.DataFrame:
    limits = pl.DataFrame(
        [(name, rules.restated_share) for name, rules in families.items()],
        schema={"series_id": pl.String, "limit": pl.Float64},
        orient="row",
    ).drop_nulls()
    return (
        counts.join(limits, on="series_id")
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
