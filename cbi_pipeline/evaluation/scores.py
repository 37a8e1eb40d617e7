"""Scores of walk-forward forecasts with intervals: ratios of sums over the same forecasts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.evaluation.calibration import coverage_band
from cbi_pipeline.evaluation.comparison import adjust, compare
from cbi_pipeline.evaluation.groups import ALL, Group, group, groups, places, select_common
from cbi_pipeline.evaluation.losses import find_apart, losses
from cbi_pipeline.evaluation.pit import examine_tenths
from cbi_pipeline.evaluation.resample import SEED, Bootstrap, Scale, block_bootstrap
from data_contracts.evaluation import SCORE

Floats = npt.NDArray[np.float64]

# One-sided level at which "the smallest difference this sample shows" is stated.
LEVEL = 0.05
# The central band, in percent, whose coverage is watched.
BAND = 80


@dataclass(frozen=True, slots=True)
class Metric:
    """A score as a ratio of two sums.

    Attributes:
        numerator: column of `losses` that is summed.
        denominator: column it is divided by; None divides by the number of forecasts.
        form: what is reported of the ratio: itself, its root, or one minus it.
        scale: what the ratio is: ``positive``, a ``share``, or ``plain``.
        counted: True when the denominator counts the forecasts that enter.
    """

    numerator: str
    denominator: str | None = None
    form: Literal["ratio", "root", "gain"] = "ratio"
    scale: Scale = "positive"
    counted: bool = False

    def report(self, ratio: float) -> float:
        """The ratio in the form reported."""
        if self.form == "root":
            return float(np.sqrt(ratio))
        return 1.0 - ratio if self.form == "gain" else ratio


METRICS: dict[str, Metric] = {
    "crps": Metric("crps"),
    "tail_crps": Metric("tail_crps"),
    "pinball": Metric("pinball"),
    **{f"interval_{p}": Metric(f"interval_{p}") for p in (50, 80, 90)},
    **{f"coverage_{p}": Metric(f"covered_{p}", scale="share") for p in (50, 80, 90)},
    **{f"width_{p}": Metric(f"width_{p}") for p in (50, 80, 90)},
    "mae": Metric("absolute"),
    "rmse": Metric("squared", form="root"),
    "bias": Metric("error", scale="plain"),
    "mase": Metric("absolute", "usual_move"),
    "mape": Metric("percentage", "percentage_count", counted=True),
    "r2": Metric("squared", "squared_return", form="gain"),
    "point_skill": Metric("absolute", "absolute_return", form="gain"),
    "hit_rate": Metric("hit", "called", scale="share", counted=True),
    "brier": Metric("brier", scale="share"),
    "net_return": Metric("net", "called", scale="plain", counted=True),
    "qlike": Metric("qlike", "qlike_count", scale="plain", counted=True),
}
"""What is scored.

- crps, tail_crps: `losses.crps` and `losses.tail_crps`, in log return; pinball: mean over the
  levels that are compared.
- interval, coverage, width: interval score, share of returns inside and width of the central
  intervals of 50, 80 and 90 %.
- mae, rmse, bias (mean of actual minus median), of the median in log return.
- mase: mae over the mean absolute return of the same horizon before the first origin.
- mape: of the price, over targets of at least a tenth of the origin price.
- r2, point_skill: one minus squared and absolute error of the median over those of no change.
- hit_rate: share of called directions that were right; ties and forecasts of one half call none.
- brier: mean squared error of `up`.
- net_return: for information, mean log return of holding the called direction to the target, less
  a round-trip cost of 0.1 %; no account is taken of capital, margin or overlapping positions.
- qlike: mean of log variance plus squared return over variance, proxy the squared return.
"""


def score(
    forecasts: pl.DataFrame,
    targets: pl.DataFrame,
    catalogue: Catalogue,
    *,
    against: Sequence[str] | None = None,
    seed: int = SEED,
) -> pl.DataFrame:
    """Rows of ``evaluation.score`` for every recipe: each cell, each margin, and everything.

    Besides `METRICS`: ``reliability``, the mean squared gap between stated and observed shares of
    rises over five bins of `up` (Murphy, 1973); ``pit_1`` to ``pit_10`` and ``p_pit``, the share of
    outcomes in each tenth of the stated distributions and the chance that even ones look as uneven
    (`pit.examine_tenths`); ``band_80``, whose ends hold the coverage of a
    calibrated 80 % band in 95 % of cases, overlap allowed for; ``skill_vs_X``, the mean over the
    cells, weighed by `Group.precision`, of one minus the ratio of CRPS sums; ``resolvable_vs_X``,
    the smallest such skill this sample shows at a one-sided 5 % level; and, for each cell,
    ``p_better_vs_X`` and ``p_worse_vs_X``: the chance that equal forecasts look as different as
    this in any of the recipe's cells and against any of its opponents (`comparison.adjust`).
    Intervals are 90 % block bootstrap intervals over weeks, absent when the weeks are too few. A
    figure that is undefined (a hit rate without a call) has no row.

    A recipe that sits out some origins is scored on its own, and two are compared on those that
    both forecast: ``count`` says on how many a figure rests. One that lacks levels which every
    champion states stands apart (`losses.is_apart`): it is scored at its own, with ``levels``,
    their number, and without the figures that these do not give, and compared at those that both
    have.

    Args:
        forecasts: rows of ``evaluation.forecast`` of one evaluation.
        targets: rows of ``features.target``.
        catalogue: commodities and horizon labels.
        against: recipes to compare with; by default the baselines of the catalogue.
        seed: of the bootstrap.

    Raises:
        ValueError: more than one evaluation, or a recipe lacks a level that is needed.
    """
    if forecasts.is_empty():
        return SCORE.empty()
    evaluation = shared_evaluation_id(forecasts)
    recipes = set(forecasts["recipe"])
    baselines = catalogue.evaluation.baselines if against is None else against
    opponents = [name for name in baselines if name in recipes]
    sides, table = _choose_sides(forecasts, targets, catalogue, opponents)
    rows = [
        (evaluation, recipe, *cell, *figure)
        for cell in places(table)
        for recipe, side in sides.items()
        for figure in side.figures(*cell, seed)
    ]
    rows += [
        (evaluation, recipe, *row)
        for recipe, side in sides.items()
        for row in examine_differences(recipe, side.shared)
    ]
    return pl.DataFrame(rows, schema=SCORE.dtypes, orient="row")


def shared_evaluation_id(forecasts: pl.DataFrame) -> str:
    """The evaluation id that all forecasts share.

    Raises:
        ValueError: none or several.
    """
    names = forecasts["evaluation_id"].unique().to_list()
    if len(names) != 1:
        raise ValueError(f"forecasts of exactly one evaluation are needed, got {len(names)}")
    return str(names[0])


Figure = tuple[str, float, float | None, float | None, int]
Row = tuple[str, str, str, float, None, None, int]


@dataclass(frozen=True, slots=True)
class _Sides:
    """What one recipe is scored on: its own forecasts, and those it shares with each opponent.

    Attributes:
        recipe: its name.
        own: `losses` of it.
        shared: of each opponent, `losses` of both at the origins that both forecast.
        levels: how many it has, where it stands apart.
    """

    recipe: str
    own: pl.DataFrame
    shared: Mapping[str, pl.DataFrame]
    levels: int | None = None

    @classmethod
    def of(cls, table: pl.DataFrame, recipe: str, opponents: Sequence[str]) -> _Sides:
        """The recipe's part of a table of `losses`."""
        pairs = {
            opponent: select_common(table, [recipe, opponent])
            for opponent in opponents
            if opponent != recipe
        }
        return cls(recipe, table.filter(pl.col("recipe") == recipe), pairs)

    def figures(self, commodity: str, horizon: str, seed: int) -> Iterator[Figure]:
        """Every figure of a cell or a margin; none where the recipe has no scored forecast."""
        own = group(self.own, commodity, horizon)
        if own.frames:
            yield from _metrics(own, self.recipe, block_bootstrap(own.weeks, own.lags, seed=seed))
            yield _reliability(own, self.recipe)
            if "pit_1" in self.own.columns:
                yield from examine_tenths(own, self.recipe)
            if f"covered_{BAND}" in self.own.columns:
                yield from _band(own, self.recipe)
            if self.levels is not None:
                yield "levels", float(self.levels), None, None, own.count
        for opponent, rows in self.shared.items():
            pair = group(rows, commodity, horizon)
            if pair.frames:
                yield from _skill(pair, self.recipe, opponent, seed)


def _choose_sides(
    forecasts: pl.DataFrame, targets: pl.DataFrame, catalogue: Catalogue, opponents: Sequence[str]
) -> tuple[dict[str, _Sides], pl.DataFrame]:
    """What each recipe is scored on, and `losses` with every cell."""

    def score_together(*recipes: str) -> pl.DataFrame:
        return losses(forecasts.filter(pl.col("recipe").is_in(recipes)), targets, catalogue)

    names = forecasts["recipe"].unique(maintain_order=True).to_list()
    apart = find_apart(forecasts)
    whole = [name for name in names if name not in apart]
    table = score_together(*(whole or names))
    rivals = [name for name in opponents if name not in apart]
    sides = {}
    for name in names:
        if name in apart:
            both = {rival: (name, rival) for rival in rivals}
            pairs = {
                rival: select_common(score_together(*pair), pair) for rival, pair in both.items()
            }
            sides[name] = _Sides(name, score_together(name), pairs, apart[name])
        else:
            sides[name] = _Sides.of(table, name, rivals)
    return sides, table


def examine_differences(recipe: str, shared: Mapping[str, pl.DataFrame]) -> list[Row]:
    """Whether a recipe is better or worse than each opponent in each cell, all of them together.

    Args:
        recipe: its name.
        shared: of each opponent, `losses` of both at the origins that both forecast.

    Returns:
        Commodity, horizon and figure of ``p_better_vs_X`` and ``p_worse_vs_X``; none of a cell
        with too few weeks.
    """
    pairs = [
        (own, opponent)
        for opponent, rows in shared.items()
        for own in groups(rows)
        if ALL not in (own.commodity, own.horizon) and own.weeks > 2 * (own.lags + 1)
    ]
    gains = [
        (own.difference(recipe, opponent), own.lags, own.memory(recipe, opponent))
        for own, opponent in pairs
    ]
    rows: list[Row] = []
    for name, sign in (("better", 1.0), ("worse", -1.0)):
        p_values = [compare(sign * gain, lags, memory).p_value for gain, lags, memory in gains]
        rows += [
            (own.commodity, own.horizon, f"p_{name}_vs_{opponent}", float(p), None, None, own.count)
            for (own, opponent), p in zip(pairs, adjust(np.array(p_values)), strict=True)
        ]
    return rows


def _metrics(group: Group, recipe: str, bootstrap: Bootstrap | None) -> Iterator[Figure]:
    columns = group.frames[recipe].columns
    for name, metric in METRICS.items():
        if metric.numerator not in columns:
            continue
        numerator = group.sums(recipe, metric.numerator)
        denominator = group.sums(recipe, metric.denominator)
        if not denominator.sum() > 0.0:
            continue
        count = int(denominator.sum()) if metric.counted else group.count
        yield _figure(name, metric, numerator, denominator, bootstrap, count)


def _reliability(group: Group, recipe: str) -> Figure:
    table = reliability(group.frames[recipe])
    gaps = (table["up"] - table["rose"]) ** 2 * table["count"]
    return "reliability", float(gaps.sum() / group.count), None, None, group.count


def reliability(rows: pl.DataFrame, bins: int = 5) -> pl.DataFrame:
    """How often the price rose after each stated probability, in equal bins of `up`.

    Args:
        rows: `losses` of one recipe.
        bins: equal parts of 0 to 1.

    Returns:
        Columns up (mean stated), rose (share that rose), count; one row per occupied bin.
    """
    bucket = (pl.col("up") * bins).floor().clip(0, bins - 1)
    table = rows.group_by(bucket.alias("bin")).agg(
        up=pl.col("up").mean(), rose=pl.col("rose").mean(), count=pl.len()
    )
    return table.sort("bin").drop("bin")


def _band(group: Group, recipe: str) -> Iterator[Figure]:
    measured = coverage_band(group, recipe, BAND)
    if measured is not None:
        _, low, high = measured
        yield f"band_{BAND}", BAND / 100.0, low, high, group.count


def _skill(pair: Group, recipe: str, opponent: str, seed: int) -> Iterator[Figure]:
    yield measure_skill(pair, recipe, opponent, seed)
    if pair.weeks > 2 * (pair.lags + 1):
        memory = pair.memory(recipe, opponent)
        smallest = compare(pair.difference(recipe, opponent), pair.lags, memory).shown_from(LEVEL)
        yield f"resolvable_vs_{opponent}", smallest, None, None, pair.count


def measure_skill(pair: Group, recipe: str, opponent: str, seed: int = SEED) -> Figure:
    """``skill_vs_X`` of a group of both, with its interval."""
    mine, theirs = pair.scale_losses(recipe, opponent)
    memory = pair.memory(recipe, opponent)
    bootstrap = block_bootstrap(pair.weeks, pair.lags, memory, seed=seed)
    gain = Metric("crps", form="gain")
    return _figure(f"skill_vs_{opponent}", gain, mine, theirs, bootstrap, pair.count)


def _figure(
    name: str,
    metric: Metric,
    numerator: Floats,
    denominator: Floats,
    bootstrap: Bootstrap | None,
    count: int,
) -> Figure:
    value = metric.report(float(numerator.sum() / denominator.sum()))
    if bootstrap is None:
        return name, value, None, None, count
    ends = bootstrap.interval(numerator, denominator, metric.scale)
    low, high = sorted(map(metric.report, ends))
    return name, value, low, high, count
