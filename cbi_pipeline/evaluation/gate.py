"""The gate: whether a challenger recipe replaces the champion, in words and with every figure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

import polars as pl

from cbi_pipeline.catalogue import NAIVE, Catalogue
from cbi_pipeline.evaluation.evidence import Cell, Contest, cells, contests, too_good
from cbi_pipeline.evaluation.field import FEWEST_SHARED, compare_all, words_of
from cbi_pipeline.evaluation.groups import common, group
from cbi_pipeline.evaluation.losses import losses
from cbi_pipeline.evaluation.refresh import Refresh
from cbi_pipeline.evaluation.scores import shared_evaluation_id
from cbi_pipeline.forecasting.version import VERSION
from data_contracts.evaluation import CROWNS, DECISION

# Chance of ever promoting a useless recipe between two promotions.
LEVEL = 0.05
# Fewer stretches without overlap than this decide nothing.
FEWEST_PERIODS = 5
FEWEST_WEEKS = 26

_LOOKS = ("keep", "no_skill", "too_good")


@dataclass(frozen=True)
class Decision:
    """One row of ``registry.decision``.

    Attributes:
        decision_id: hash of the evaluation, the recipes, the verdict and who decided.
        decided_at: instant on the wall clock.
        evaluation_id: evaluation it rests on.
        recipe: challenger.
        champion: champion it faced.
        verdict: promote, keep, no_skill, abstain or too_good of the gate; first; rollback of a
            person; refresh or hold of the nightly refresh.
        reason: the verdict in words, with numbers.
        statistics: every figure used, as JSON.
        who: "gate", "refresh", or the person who decided.
        version: registered version it names, where it names one.
    """

    decision_id: str
    decided_at: datetime
    evaluation_id: str
    recipe: str
    champion: str
    verdict: str
    reason: str
    statistics: str
    who: str
    version: int | None = None

    @property
    def promotes(self) -> bool:
        """True when the recipe becomes, or is, the champion."""
        return self.verdict in CROWNS

    def frame(self, as_of: datetime | None = None) -> pl.DataFrame:
        """The row, valid under its contract; ``as_of`` says what was known when it was made."""
        row = {**asdict(self), "as_of": as_of}
        return DECISION.validate(pl.DataFrame([row], schema=DECISION.dtypes))


def decide(
    forecasts: pl.DataFrame,
    targets: pl.DataFrame,
    recipe: str,
    champion: str,
    catalogue: Catalogue,
    *,
    decided_at: datetime,
    tried: int = 0,
    level: float = LEVEL,
    naive: Sequence[str] = NAIVE,
) -> Decision:
    """Judge a challenger on paired walk-forward forecasts.

    It is promoted only when better than the champion and than every naive baseline, each at the
    level left to it: the k-th candidate since the last promotion gets level / (k (k + 1)), which
    adds up to ``level`` over any number of candidates.

    Args:
        forecasts: ``evaluation.forecast`` rows of one evaluation, with all opponents.
        targets: ``features.target`` rows.
        recipe: challenger's name in the forecasts.
        champion: champion's name in the forecasts.
        catalogue: commodities, horizons, which markets are liquid.
        decided_at: now, on the wall clock.
        tried: other candidates tried since the last promotion; see `tried_before`.
        level: chance of a false promotion between two promotions.
        naive: baselines that must be beaten.

    Returns:
        Verdicts: ``promote``; ``too_good`` (would be promoted, but looks like a leak); ``keep``
        (skill against the naive, none shown against the champion, or the same forecasts);
        ``no_skill``; ``abstain`` (too few weeks to tell, or too few origins that all forecast).

    Raises:
        ValueError: the forecasts do not belong together.
    """
    evaluation = shared_evaluation_id(forecasts)
    opponents = tuple(dict.fromkeys([champion, *(name for name in naive if name != recipe)]))
    table = losses(forecasts, targets, catalogue)
    sides = [recipe, *opponents]
    paired = common(table, sides)
    if absence := _sat_out(table, paired, sides, champion):
        verdict, reason = "abstain", absence
        figures: dict[str, object] = {}
    else:
        left = level / ((tried + 1) * (tried + 2))
        verdict, reason, figures = judge(paired, recipe, opponents, catalogue, left)
    field = compare_all(table, champion)
    figures |= {"tried": tried, "level": level, **field}
    reasons = " ".join([reason, *words_of(field, champion, level=LEVEL)])
    return decision(
        evaluation, recipe, champion, verdict, reasons, decided_at=decided_at, figures=figures
    )


def _sat_out(table: pl.DataFrame, paired: pl.DataFrame, sides: Sequence[str], champion: str) -> str:
    """Why too few of the champion's forecasts can be compared, in words; empty where enough can."""
    scored = dict(table.group_by("recipe").len().iter_rows())
    absent = [name for name in dict.fromkeys(sides) if name not in scored]
    if absent and scored:
        return f"Abstained: no forecast of {', '.join(absent)} can be scored; it sat out."
    shared = len(paired) // len(set(sides))
    if not scored or shared >= FEWEST_SHARED * scored[champion]:
        return ""
    return (
        f"Abstained: only {shared} of the champion's {scored[champion]} scored forecasts were made "
        f"by all of {', '.join(dict.fromkeys(sides))}; {FEWEST_SHARED:.0%} are needed."
    )


def first(
    recipe: str, *, evaluation_id: str, decided_at: datetime, before: str | None = None
) -> Decision:
    """The row that makes the catalogue's founder champion before anything was proven.

    Args:
        recipe: the founder.
        evaluation_id: the evidence of the night, if there is any.
        decided_at: now.
        before: the founder of an earlier release or catalogue whose place it takes.
    """
    reason = f"{recipe} is the first champion by the catalogue's choice; nothing was tested yet."
    if before is None:
        return decision(evaluation_id, recipe, recipe, "first", reason, decided_at=decided_at)
    reason = (
        f"{recipe} takes the place of {before}, which was champion by the catalogue's choice as "
        "well; nothing was tested yet. A champion that was promoted would have stayed."
    )
    who = f"release {VERSION}"
    return decision(evaluation_id, recipe, before, "first", reason, decided_at=decided_at, who=who)


def by_person(
    verdict: Literal["promote", "rollback"],
    recipe: str,
    champion: str,
    *,
    version: int,
    reason: str,
    who: str,
    decided_at: datetime,
) -> Decision:
    """The row of a person's promotion or rollback to a version; each is a decision of its own.

    Raises:
        ValueError: no reason or no name.
    """
    if not reason.strip() or not who.strip():
        raise ValueError("a promotion or rollback by hand needs a reason and a name")
    return decision(
        f"by hand {decided_at.astimezone(UTC).isoformat()}",
        recipe,
        champion,
        verdict,
        reason.strip(),
        decided_at=decided_at,
        who=who.strip(),
        version=version,
    )


def refreshed(
    judged: Refresh | str | None,
    recipe: str,
    version: int,
    current: int | None,
    promoted: int | None,
    *,
    state: str,
    decided_at: datetime,
) -> Decision:
    """The row on tonight's version of the champion recipe: in use from now on, or held back.

    Where what was issued since the promotion has lost, the promoted version is taken into use
    again.

    Args:
        judged: outcome of the comparison, or why there is none; None when nothing stood before.
        recipe: champion recipe.
        version: tonight's.
        current: version in use until now, if any.
        promoted: version that it was compared with.
        state: state of the data behind tonight's version.
        decided_at: instant on the wall clock.
    """
    verdict, named = "refresh", version
    reason = f"Version {version} of {recipe} is the first one in use; nothing stood before it."
    if judged is not None:
        reason = f"Version {version} against version {promoted}. "
        reason += judged.reason if isinstance(judged, Refresh) else judged
    if isinstance(judged, Refresh) and not judged.accepted:
        verdict = "hold"
        if judged.has_lost and promoted is not None and current != promoted:
            verdict, named = "refresh", promoted
            reason += f" Version {promoted} takes over again."
    return decision(
        f"refresh {version} over {current} on {state}",
        recipe,
        recipe,
        verdict,
        reason,
        decided_at=decided_at,
        figures=asdict(judged) if isinstance(judged, Refresh) else None,
        who="refresh",
        version=named,
    )


def decision(
    evaluation_id: str,
    recipe: str,
    champion: str,
    verdict: str,
    reason: str,
    *,
    decided_at: datetime,
    figures: dict[str, object] | None = None,
    who: str = "gate",
    version: int | None = None,
) -> Decision:
    """A decision row; its id depends on evidence, recipes, verdict and decider, not on the time."""
    parts = "\n".join((evaluation_id, recipe, champion, verdict, who))
    statistics = json.dumps(figures or {}, sort_keys=True, allow_nan=False)
    return Decision(
        decision_id=hashlib.sha256(parts.encode()).hexdigest(),
        decided_at=decided_at.astimezone(UTC),
        evaluation_id=evaluation_id,
        recipe=recipe,
        champion=champion,
        verdict=verdict,
        reason=reason,
        statistics=statistics,
        who=who,
        version=version,
    )


def tried_before(decisions: pl.DataFrame, recipe: str, decided_at: datetime) -> int:
    """Other candidates tried since the champion last changed, from ``registry.decision`` rows.

    One recipe judged again within a calendar month rests on nearly the same forecasts and is one
    candidate; judged again in another month it is another. In simulation, a year of weekly looks
    at one useless candidate promotes it in 2 to 3 % of cases that way, and in 3 to 5 % if quarters
    were counted. Abstentions tested nothing.
    """
    changed = decisions.filter(pl.col("verdict").is_in(CROWNS))["decided_at"].max()
    tested = pl.col("verdict").is_in(_LOOKS) & (pl.col("recipe") != pl.col("champion"))
    looks = decisions.filter(tested)
    if changed is not None:
        looks = looks.filter(pl.col("decided_at") >= changed)
    month = pl.col("decided_at").dt.truncate("1mo").dt.date()
    seen = set(looks.select("recipe", month).rows())
    return len(seen - {(recipe, decided_at.astimezone(UTC).date().replace(day=1))})


def judge(
    paired: pl.DataFrame, recipe: str, opponents: Sequence[str], catalogue: Catalogue, level: float
) -> tuple[str, str, dict[str, object]]:
    """Verdict, reason and figures on a table of `losses`.

    Args:
        paired: losses of the recipe and its opponents at the same origins.
        recipe: challenger.
        opponents: the champion first, then the naive baselines.
        catalogue: which markets are liquid.
        level: what is left of the level for this candidate.
    """
    champion = opponents[0]
    everything = group(paired)
    figures: dict[str, object] = {"level_left": level}
    if paired.is_empty():
        return "abstain", "Abstained: no forecast can be scored yet.", figures
    figures |= {"weeks": everything.weeks, "lags": everything.lags, "scored": everything.count}
    if recipe == champion:
        return "keep", f"{recipe} is the champion; it is not tested against itself.", figures
    if everything.weeks < max(FEWEST_WEEKS, FEWEST_PERIODS * (everything.lags + 1)):
        return "abstain", _too_few(everything.weeks, everything.lags), figures
    figures["same_as_champion"] = not everything.difference(recipe, champion).any()
    results = contests(paired, recipe, opponents, level)
    by_cell = cells(paired, recipe, champion)
    suspicious = too_good(paired, recipe, catalogue)
    figures |= {
        "contests": [asdict(contest) for contest in results],
        "cells": [asdict(cell) for cell in by_cell],
        "too_good": list(suspicious),
    }
    verdict = _verdict(results, suspicious)
    return verdict, _reason(verdict, recipe, results, by_cell, suspicious), figures


def _verdict(results: Sequence[Contest], suspicious: Sequence[str]) -> str:
    against_champion, *against_naive = results
    if not all(contest.shown for contest in against_naive):
        return "no_skill"
    if not against_champion.shown:
        return "keep"
    return "too_good" if suspicious else "promote"


def _too_few(weeks: int, lags: int) -> str:
    return (
        f"Abstained: {weeks} weeks of scored forecasts, of which {lags + 1} in a row overlap, are "
        f"too little evidence; {max(FEWEST_WEEKS, FEWEST_PERIODS * (lags + 1))} weeks are needed."
    )


_OPENINGS = {
    "promote": "{recipe} is promoted: better than the champion and every naive forecast.",
    "too_good": "{recipe} is held back as too good to be true until a person says otherwise.",
    "keep": "{recipe} beats the naive forecasts, but no gain over the champion is shown.",
    "no_skill": "No skill: {recipe} is not shown to beat every naive forecast.",
}


def _reason(
    verdict: str,
    recipe: str,
    results: Sequence[Contest],
    by_cell: Sequence[Cell],
    suspicious: Sequence[str],
) -> str:
    sentences = [_OPENINGS[verdict].format(recipe=recipe)]
    sentences += [_against(contest) for contest in results]
    for word, names in (
        ("Better", [f"{c.commodity} {c.horizon}" for c in by_cell if c.better]),
        ("Worse", [f"{c.commodity} {c.horizon}" for c in by_cell if c.worse]),
    ):
        if names:
            sentences.append(f"{word} than the champion by itself on {', '.join(names)}.")
    if suspicious:
        sentences.append(f"Suspicious: {'; '.join(suspicious)}.")
    return " ".join(sentences)


def _against(contest: Contest) -> str:
    if contest.skill == 0.0 == contest.comparison.diebold_mariano.error:
        return f"It forecasts exactly what {contest.opponent} does."
    outcome = "shown" if contest.shown else "not shown"
    return (
        f"CRPS against {contest.opponent}: {contest.skill:+.2%}, {outcome} (this sample shows "
        f"{contest.needed:.2%} or more; p = {contest.p_value:.3f}, {contest.level:.3f} needed)."
    )
