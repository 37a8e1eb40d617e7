"""Signs of a leak: figures on liquid markets that no honest forecast is likely to reach."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.evaluation.comparison import compare
from cbi_pipeline.evaluation.groups import ALL, Group, group, select_common

Floats = npt.NDArray[np.float64]

#: The best statistical forecast, over which the gain of knowing the variance was measured.
YARDSTICK = "combined"
#: That gain, by sessions ahead, on the market where it is largest: stochastic volatility fitted to
#: WTI, Brent and Henry Hub (`benchmarks.variance_gain`; docs/decisions/0017, "Suspicion").
VARIANCE_GAIN = {5: 0.014, 21: 0.012, 63: 0.010}
# More than that, and chance explains the rest this rarely; or so many times that.
LUCK_OF_SCALE = 0.001
SURELY_TOO_GOOD = 3.0

TOO_GOOD_POINT_SKILL = 0.02
# Hit rate above what as many calls of each direction give by the direction's own rate.
TOO_GOOD_HITS = 0.05
LUCK = 0.05


def find_suspicions(table: pl.DataFrame, recipe: str, catalogue: Catalogue) -> tuple[str, ...]:
    """What looks like a leak or an artefact of rolling contracts, in words.

    Args:
        table: `losses` of the recipe and its opponents.
        recipe: challenger.
        catalogue: which markets are liquid.
    """
    liquid = [commodity.id for commodity in catalogue.commodities if commodity.liquid]
    looked = table.filter(pl.col("commodity").is_in(liquid))
    own = looked.filter(pl.col("recipe") == recipe)
    if own.is_empty():
        return ()
    paired = select_common(looked, [recipe, YARDSTICK])
    scale = () if recipe == YARDSTICK else find_scale_leaks(paired, recipe, catalogue)
    return (*scale, *find_direction_leaks(own, recipe))


def find_scale_leaks(paired: pl.DataFrame, recipe: str, catalogue: Catalogue) -> Iterator[str]:
    """Gains over `YARDSTICK` above that of the true conditional variance, pooled and by horizon.

    Args:
        paired: `losses` of both at the same origins; empty where there is no yardstick.
        recipe: challenger.
        catalogue: sessions of each horizon.
    """
    if paired.is_empty():
        return
    labels = paired["horizon"].unique(maintain_order=True).to_list()
    parts = {label: group(paired, horizon=label) for label in labels}
    limits = {label: _limit(label, catalogue) for label in labels}
    outcomes = [part.independent for part in parts.values()]
    pooled = float(np.average([limits[label] for label in labels], weights=outcomes))
    for own, limit in [
        (group(paired), pooled),
        *((parts[label], limits[label]) for label in parts),
    ]:
        gains = own.difference(recipe, YARDSTICK)
        surely = gains.mean() > SURELY_TOO_GOOD * limit
        if surely or _is_beyond(gains - limit, own, recipe):
            where = "all horizons" if own.horizon == ALL else own.horizon
            yield (
                f"CRPS {gains.mean():.1%} below {YARDSTICK} at {where}, where knowing the variance "
                f"gives {limit:.1%}"
            )


def find_direction_leaks(own: pl.DataFrame, recipe: str) -> Iterator[str]:
    """Point skill above 2 %, or hit rates 5 points above their base rate.

    Over all horizons of a commodity the figure itself decides; at a single horizon, where a trend
    alone gives such figures, it must also be unlikely (5 %) to be luck.

    Args:
        own: `losses` of the recipe.
        recipe: challenger.
    """
    dated = _with_base_hits(own)
    for commodity in dated["commodity"].unique(maintain_order=True):
        yield from _find_excess(group(dated, commodity=commodity), recipe, needs_proof=False)
        here = dated.filter(pl.col("commodity") == commodity)
        for label in here["horizon"].unique(maintain_order=True):
            yield from _find_excess(group(here, commodity, label), recipe, needs_proof=True)


def _limit(label: str, catalogue: Catalogue) -> float:
    """The gain of the true variance at a horizon, between those measured by log sessions."""
    liquid = (each for each in catalogue.commodities if each.liquid and label in each.horizons)
    sessions = min(commodity.horizons[label] for commodity in liquid)
    measured = np.log(list(VARIANCE_GAIN))
    return float(np.interp(np.log(sessions), measured, list(VARIANCE_GAIN.values())))


def _is_beyond(excess: Floats, own: Group, recipe: str) -> bool:
    if len(excess) <= 2 * (own.lags + 1):
        return False
    memory = own.memory(recipe, YARDSTICK)
    return compare(excess, own.lags, memory).p_value < LUCK_OF_SCALE


def _with_base_hits(own: pl.DataFrame) -> pl.DataFrame:
    """With ``base_hit``: the chance that a call is right by the rate of its direction alone."""
    cell = ["commodity", "horizon"]
    calls = pl.col("called").sum().over(cell)
    rose = (pl.col("rose") * pl.col("called")).sum().over(cell) / calls
    chance = pl.when(pl.col("up") > 0.5).then(rose).otherwise(1.0 - rose)
    return own.with_columns(base_hit=(pl.col("called") * chance).fill_nan(0.0))


def _find_excess(own: Group, recipe: str, *, needs_proof: bool) -> Iterator[str]:
    where = own.commodity if own.horizon == ALL else f"{own.commodity} {own.horizon}"
    absolute, usual = own.sums(recipe, "absolute"), own.sums(recipe, "absolute_return")
    hit, base, called = (own.sums(recipe, name) for name in ("hit", "base_hit", "called"))
    skill = 1.0 - absolute.sum() / usual.sum()
    if skill > TOO_GOOD_POINT_SKILL and (not needs_proof or _is_rare(usual - absolute, own.lags)):
        yield f"point skill {skill:.1%} on {where}"
    if not called.any():
        return
    rate, usual_rate = (float(sums.sum() / called.sum()) for sums in (hit, base))
    if rate - usual_rate > TOO_GOOD_HITS and (not needs_proof or _is_rare(hit - base, own.lags)):
        yield f"hit rate {rate:.1%} on {where}, where its calls give {usual_rate:.1%} by chance"


def _is_rare(gains: Floats, lags: int) -> bool:
    return len(gains) > 2 * (lags + 1) and compare(gains, lags).p_value < LUCK
