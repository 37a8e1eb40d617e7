"""The nightly refresh: the champion recipe trained again, judged against what was promoted.

Each night's version is compared with the promoted one, frozen, and never with that of the night
before, so that losses too small to be seen in one night cannot add up. So is what refreshed
versions issued since the promotion: it rests on outcomes that none of them had seen. And where
tonight's newest forecasts lie far from the promoted version's, held-out rows have to bear them out:
what a fit has seen of those rows cannot hide what it says of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

from cbi_pipeline.evaluation.comparison import compare, diebold_mariano
from cbi_pipeline.evaluation.groups import ALL, Group, group, groups
from cbi_pipeline.evaluation.losses import INTERVALS, column_of, crps, share_levels
from cbi_pipeline.forecasting.models.model import Forecasts
from cbi_pipeline.forecasting.models.recipe import ModelRecipe
from cbi_pipeline.forecasting.panel import Panel
from data_contracts.core import UTC_MICROSECONDS

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

# Refreshed versions may cost at most this share of the promoted version's CRPS.
CRPS_MARGIN = 0.02
# Their 80 % bands may miss 80 % by so much more than the promoted version's, which on any sample
# miss it by chance: over everything, and on held-out rows in each cell and horizon.
COVERAGE_MARGIN, PART_MARGIN = 0.05, 0.10
LEVEL = 0.05
# Where newest forecasts differ from the promoted version's by more than the margin, rows held out
# have to show so much of the gain that they claim.
BORNE_OUT = 0.5
# Fewer weeks of what was issued say nothing.
FEWEST_WEEKS = 8

NEW, PROMOTED = "new", "promoted"


@dataclass(frozen=True, slots=True)
class Measured:
    """Refreshed forecasts against the promoted version's of the same rows.

    Attributes:
        increase: their CRPS over that of the promoted version, minus one; see
            `Group.scale_losses`.
        at_most: upper end of its one-sided 95 % interval; None with too few weeks to tell.
        at_least: lower end of the same level; None likewise.
        coverage: share of returns in their 80 % intervals.
        promoted_coverage: the same of the promoted version.
        weeks: weeks that the figures rest on.
        miscovered: where 80 % intervals hold too few or too many returns, in words.
    """

    increase: float
    at_most: float | None
    at_least: float | None
    coverage: float
    promoted_coverage: float
    weeks: int
    miscovered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Distance:
    """How far newest forecasts lie from those of the promoted version, in CRPS.

    Attributes:
        cost: what they would lose where the promoted version's are right, as a share of its CRPS.
        gain: what they would gain where they are right themselves, likewise.
    """

    cost: float
    gain: float


TOGETHER = Distance(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Refresh:
    """Whether a refreshed model may take over, and the figures.

    Attributes:
        accepted: True when tonight's model is shown to be no worse than the margins, and nothing
            speaks against what was issued since the promotion.
        has_lost: True when what was issued since the promotion is shown to be worse.
        reason: in words.
        tonight: tonight's model, on rows that neither it nor the promoted one was trained on.
        issued: what was issued since the promotion; None while there are too few outcomes.
        apart: of `measure_distance`, tonight's newest forecasts from the promoted version's.
    """

    accepted: bool
    has_lost: bool
    reason: str
    tonight: Measured
    issued: Measured | None
    apart: Distance = TOGETHER


class Version(Protocol):
    """What is compared: a recipe's forecasts of rows."""

    @property
    def recipe(self) -> ModelRecipe:
        """Its recipe."""
        ...

    def predict(self, panel: Panel, rows: Rows) -> Forecasts:
        """Its forecasts."""
        ...


Used = Sequence[tuple[Version, Rows]]


def judge_refresh(
    new: Version,
    promoted: Version,
    panel: Panel,
    rows: Rows,
    used: Used = (),
    newest: Rows | None = None,
) -> Refresh:
    """Compare tonight's model, and those used since the promotion, with the promoted one.

    Args:
        new: the champion recipe, trained tonight.
        promoted: the version that was promoted.
        panel: today's panel.
        rows: ready rows that both read, of the validation rows of tonight's training.
        used: versions that were in use since the promotion, each with ready rows from which it
            forecast: rows later than all that it was trained on.
        newest: rows that both read and whose outcomes nobody can have seen; without any, tonight's
            forecasts may lie as far from the promoted version's as they do.

    Raises:
        ValueError: no row has a known target.
    """
    tonight = compare_losses(panel, [(new, rows)], promoted)
    if tonight.is_empty():
        raise ValueError("none of the rows has a known target; refresh on older rows")
    issued = compare_losses(panel, used, promoted) if used else tonight.clear()
    apart = TOGETHER
    if newest is not None and newest.size:
        apart = measure_distance(new, promoted, panel, newest)
    return judge_losses(tonight, issued, apart)


def measure_distance(new: Version, promoted: Version, panel: Panel, rows: Rows) -> Distance:
    """How far the forecasts of two versions lie apart, whatever comes; means over all forecasts.

    The expected CRPS of a distribution F where G is right is the integral of G (1 - G) + (F - G)^2
    (Gneiting and Raftery, 2007). Between levels both are interpolated.
    """
    levels = share_levels([new.recipe.levels, promoted.recipe.levels])
    own, frozen = (
        _predict_at(levels, version, panel, rows).reshape(-1, len(levels))
        for version in (new, promoted)
    )
    has_both = np.isfinite(own).all(axis=1) & np.isfinite(frozen).all(axis=1)
    shares = [
        _compare_distributions(*pair, np.array(levels))
        for pair in zip(own[has_both], frozen[has_both], strict=True)
    ]
    return Distance(*np.mean(shares, axis=0).tolist()) if shares else TOGETHER


def _compare_distributions(own: Floats, frozen: Floats, levels: Floats) -> tuple[float, float]:
    """Cost and gain, as of `Distance`, of one forecast [Q] against another."""
    at = np.union1d(own, frozen)
    mine, theirs = (np.interp(at, values, levels) for values in (own, frozen))
    apart, width = mine - theirs, np.diff(at)
    # Squares of straight lines, exactly.
    distance = float(width @ (apart[1:] ** 2 + apart[1:] * apart[:-1] + apart[:-1] ** 2)) / 3.0
    least, own_least = (float(np.trapezoid(cdf * (1.0 - cdf), at)) for cdf in (theirs, mine))
    if not distance:
        return 0.0, 0.0
    return distance / max(least, np.finfo(np.float64).tiny), distance / (own_least + distance)


def judge_losses(
    tonight: pl.DataFrame, issued: pl.DataFrame, apart: Distance = TOGETHER
) -> Refresh:
    """The verdict on tables of `compare_losses`.

    Args:
        tonight: of tonight's model.
        issued: of what was issued since the promotion; horizons with too few weeks are left out.
        apart: of `measure_distance`, of newest forecasts.
    """
    judged = _measure(tonight, proven=False)
    is_fit, words = _judge_tonight(judged, apart)
    lasting = _drop_short(issued)
    since = None if lasting.is_empty() else _measure(lasting, proven=True)
    has_lost = since is not None and _has_lost(since)
    accepted = is_fit and not has_lost
    reason = f"{'Accepted' if accepted else 'Refused'}: {words}"
    if since is not None:
        reason += f" {_describe_issued(since, has_lost=has_lost)}"
    return Refresh(accepted, has_lost, reason, judged, since, apart)


def compare_losses(panel: Panel, used: Used, promoted: Version) -> pl.DataFrame:
    """Losses of versions, as one called ``new``, and of the promoted one on the same rows.

    Returns:
        Columns recipe, commodity, horizon, week, as_of, known_at, crps, covered_80.
    """
    levels = share_levels([version.recipe.levels for version in (promoted, *(v for v, _ in used))])
    rows = np.concatenate([own for _, own in used])
    parts = [(NEW, version, own) for version, own in used] + [(PROMOTED, promoted, rows)]
    table = pl.concat(
        _losses(panel, own, name, levels, _predict_at(levels, version, panel, own))
        for name, version, own in parts
    )
    return table.sort("recipe", "commodity", "horizon", "as_of")


def _judge_tonight(tonight: Measured, apart: Distance) -> tuple[bool, str]:
    """Whether tonight's model is no worse than the margins, and the figures in words."""
    is_close = tonight.at_most is not None and tonight.at_most <= CRPS_MARGIN
    most = "too few weeks to tell" if tonight.at_most is None else f"at most {tonight.at_most:+.2%}"
    words = (
        f"CRPS {tonight.increase:+.2%} against the promoted version on rows held out, {most} "
        f"(margin {CRPS_MARGIN:.0%}); 80 % intervals hold {tonight.coverage:.1%} of returns, "
        f"{tonight.promoted_coverage:.1%} of the promoted version."
    )
    miscovered = f" They are off on {'; '.join(tonight.miscovered)}." if tonight.miscovered else ""
    is_borne_out = apart.cost <= CRPS_MARGIN or -tonight.increase >= BORNE_OUT * apart.gain
    if not is_borne_out:
        miscovered += (
            f" Its newest forecasts would cost {apart.cost:+.2%} were the promoted version's right "
            f"and gain {apart.gain:.2%} were they so, which rows held out do not show."
        )
    return is_close and not tonight.miscovered and is_borne_out, words + miscovered


def _has_lost(issued: Measured) -> bool:
    """Whether more than the margin was lost and chance alone does not explain it."""
    is_shown = issued.at_least is not None and issued.at_least > 0.0
    return (issued.increase > CRPS_MARGIN and is_shown) or bool(issued.miscovered)


def _describe_issued(issued: Measured, *, has_lost: bool) -> str:
    off = f"; 80 % intervals are off on {'; '.join(issued.miscovered)}" if issued.miscovered else ""
    judged = "more than chance gives" if has_lost else "within the margin or chance"
    return (
        f"What was issued since the promotion: CRPS {issued.increase:+.2%} against that version "
        f"over {issued.weeks} weeks with outcomes{off}, {judged}."
    )


def _measure(table: pl.DataFrame, *, proven: bool) -> Measured:
    """The figures of a table of `compare_losses`.

    Args:
        table: losses of both.
        proven: whether a cell's coverage counts as off only where chance does not explain it.
    """
    everything = group(table)
    difference = -everything.difference(NEW, PROMOTED)
    low, high = _interval(difference, everything.lags)
    coverage, before = (_coverage(everything, name) for name in (NEW, PROMOTED))
    looked = [own for own in groups(table) if own.commodity == ALL or own.horizon != ALL]
    off = [
        _describe_coverage(own)
        for own in looked
        if _is_off(own, proven=proven) and (not proven or _is_shown(own, LEVEL / len(looked)))
    ]
    return Measured(
        float(difference.mean()), high, low, coverage, before, everything.weeks, tuple(off)
    )


def _is_off(own: Group, *, proven: bool) -> bool:
    """Whether coverage misses 80 % by more than the promoted version's and the margin."""
    missed, missed_before = (abs(_coverage(own, name) - 0.8) for name in (NEW, PROMOTED))
    is_part = (own.commodity, own.horizon) != (ALL, ALL)
    margin = PART_MARGIN if is_part and not proven else COVERAGE_MARGIN
    return missed > missed_before + margin + 1e-12


def _is_shown(cell: Group, level: float) -> bool:
    """Whether chance does not explain that coverage lies beyond the promoted version's."""
    apart = cell.sums(NEW, "covered_80") - cell.sums(PROMOTED, "covered_80")
    beyond = np.sign(_coverage(cell, NEW) - 0.8) * apart
    return cell.weeks > 2 * (cell.lags + 1) and diebold_mariano(beyond, cell.lags).p_value < level


def _describe_coverage(own: Group) -> str:
    now, before = (_coverage(own, name) for name in (NEW, PROMOTED))
    names = [name for name in (own.commodity, own.horizon) if name != ALL]
    where = " ".join(names) or "everything"
    return f"{where}, {now:.0%} ({before:.0%} of the promoted version)"


def _coverage(own: Group, name: str) -> float:
    return float(own.sums(name, "covered_80").mean() / own.sums(name, None).mean())


def _drop_short(issued: pl.DataFrame) -> pl.DataFrame:
    """Without the horizons whose overlap leaves too few weeks to tell."""
    lasting = [
        horizon
        for horizon in issued["horizon"].unique(maintain_order=True)
        if (own := group(issued, horizon=horizon)).weeks > max(FEWEST_WEEKS, 2 * (own.lags + 1))
    ]
    return issued.filter(pl.col("horizon").is_in(lasting))


def _interval(difference: Floats, lags: int) -> tuple[float | None, float | None]:
    """One-sided bounds of the mean, from below and above; None with too few weeks.

    Acceptance has to be proven, so the upper one is that of the more careful of two tests; the
    lower one finds what was lost.
    """
    if not difference.any():
        return 0.0, 0.0
    if len(difference) <= 2 * (lags + 1):
        return None, None
    tests = compare(difference, lags)
    dm = tests.diebold_mariano
    lower = tests.mean - float(stats.t.isf(LEVEL, dm.degrees)) * dm.error
    return lower, tests.mean + tests.shown_from(LEVEL)


def _predict_at(levels: tuple[float, ...], model: Version, panel: Panel, rows: Rows) -> Floats:
    """Quantiles [N, H, Q] of a model at some of its levels."""
    own = np.array(model.recipe.levels)
    chosen = [column_of(own, level) for level in levels]
    quantiles: Floats = model.predict(panel, rows).q_NHQ[..., chosen]
    return quantiles


def _losses(
    panel: Panel, rows: Rows, name: str, levels: tuple[float, ...], q_NHQ: Floats
) -> pl.DataFrame:
    valued = np.argwhere(panel.target_mask_RH.cpu().numpy()[rows])
    n, h = valued[:, 0], valued[:, 1]
    row = rows[n]
    y = panel.target_RH.cpu().numpy()[row, h].astype(np.float64)
    q, grid = q_NHQ[n, h], np.array(levels)
    low, high = (q[:, column_of(grid, level)] for level in INTERVALS[80])
    commodity = panel.commodity_R.cpu().numpy()[row]
    frame = pl.DataFrame(
        {
            "recipe": [name] * len(y),
            "commodity": [panel.spec.commodities[c] for c in commodity],
            "horizon": [panel.spec.horizons[i] for i in h],
            "as_of": pl.Series(panel.decision_at_R.cpu().numpy()[row]).cast(UTC_MICROSECONDS),
            "known_at": pl.Series(panel.target_available_RH.cpu().numpy()[row, h]).cast(
                UTC_MICROSECONDS
            ),
            "crps": crps(q, grid, y),
            "covered_80": ((low <= y) & (y <= high)).astype(np.float64),
        }
    )
    return frame.with_columns(week=pl.col("as_of").dt.truncate("1w").dt.date())
