"""The gate: one look judges all challengers of a round at once, in words and with every figure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from statistics import median

import numpy as np
import polars as pl
from scipy import stats

from cbi_pipeline.catalogue import GATE_OPPONENTS, Catalogue
from cbi_pipeline.evaluation.apart import judge_apart
from cbi_pipeline.evaluation.decisions import Decision, Subject, decision
from cbi_pipeline.evaluation.entries import (
    Abstains,
    Entry,
    enter_gate,
    find_first_judged,
    skip_development,
    tables_of,
)
from cbi_pipeline.evaluation.evidence import Contest, cells, judge_pairing
from cbi_pipeline.evaluation.field import compare_all, words_of
from cbi_pipeline.evaluation.gate_words import (
    describe_absence,
    describe_chance,
    describe_look,
    describe_passed_over,
    describe_verdict,
)
from cbi_pipeline.evaluation.groups import group
from cbi_pipeline.evaluation.losses import find_apart, losses
from cbi_pipeline.evaluation.scores import shared_evaluation_id
from cbi_pipeline.evaluation.spending import (
    LEVEL,
    Account,
    Entrant,
    Evidence,
    Look,
    read_account,
    spend_level,
)
from cbi_pipeline.evaluation.step_down import find_hardest, share_out_level
from cbi_pipeline.evaluation.suspicion import find_suspicions
from data_contracts.evaluation import name_recipes

#: Gain whose chance of being seen is stated, and the weeks of evidence that come until then.
FORESEEN_GAIN = 0.01
WEEKS_OF_A_YEAR = 52


@dataclass(frozen=True)
class Verdict:
    """What a look says of one challenger.

    Attributes:
        verdict: ``promote``; ``too_good`` (would be promoted, but looks like a leak); ``keep``
            (skill against the others, none shown against the champion, or the same forecasts, or
            another gained more); ``no_skill``; ``abstain`` (too little to tell); ``apart`` (too few
            levels for a champion).
        reason: in words.
        figures: every figure used.
        look: the look that judged it; None where it could not be judged.
    """

    verdict: str
    reason: str
    figures: dict[str, object]
    look: Look | None = None


def decide(
    forecasts: pl.DataFrame,
    targets: pl.DataFrame,
    challengers: Sequence[str],
    champion: str,
    catalogue: Catalogue,
    *,
    decided_at: datetime,
    decisions: pl.DataFrame | None = None,
    entrants: Mapping[str, Entrant] | None = None,
    opponents: Sequence[str] = GATE_OPPONENTS,
    round_id: str = "",
) -> tuple[Decision, ...]:
    """Judge all challengers of a round in one look, on paired walk-forward forecasts.

    One is promoted only when better than every opponent at the level of this look, and then the one
    whose gain is shown best. Useless recipes are promoted with a chance of at most `LEVEL` between
    two promotions, whatever is tried and however often; see `spending`.

    Args:
        forecasts: ``evaluation.forecast`` rows of one evaluation, with all opponents.
        targets: ``features.target`` rows.
        challengers: their names in the forecasts.
        champion: champion's name in the forecasts.
        catalogue: commodities, horizons, which markets are liquid, what is left to development.
        decided_at: now, on the wall clock.
        decisions: rows of ``registry.decision`` before; None where there are none.
        entrants: what each recipe in the forecasts is, whatever its name.
        opponents: what a challenger must beat beside the champion.
        round_id: the round that the forecasts belong to; noted.

    Returns:
        One decision a challenger, in their order, but a promotion last.

    Raises:
        ValueError: the forecasts do not belong together.
    """
    evaluation = shared_evaluation_id(forecasts)
    apart = find_apart(forecasts)
    share = catalogue.evaluation.development
    whole = losses(forecasts.filter(~pl.col("recipe").is_in(list(apart))), targets, catalogue)
    first = find_first_judged(whole, share)
    sides = tuple(dict.fromkeys([champion, *opponents]))
    tables = {
        name: skip_development(table, first)
        for name, table in tables_of(forecasts, targets, challengers, sides, catalogue)
    }
    verdicts = _judge_all(tables, apart, champion, opponents, catalogue, decisions, entrants or {})
    comparisons = compare_all(skip_development(whole, first), champion)
    figures = {"development": share, "level": LEVEL, **comparisons}
    words = name_recipes(" ".join(words_of(comparisons, champion, level=LEVEL)))
    rows = [
        decision(
            evaluation, name, champion, own.verdict, f"{own.reason} {words}".strip(),
            decided_at=decided_at, figures=own.figures | figures,
            subject=_name_subject(name, own.look, round_id, entrants or {}),
        )
        for name, own in verdicts.items()
    ]  # fmt: skip
    return tuple(sorted(rows, key=lambda row: row.promotes))


def _judge_all(
    tables: Mapping[str, pl.DataFrame],
    apart: Mapping[str, int],
    champion: str,
    opponents: Sequence[str],
    catalogue: Catalogue,
    decisions: pl.DataFrame | None,
    entrants: Mapping[str, Entrant],
) -> dict[str, Verdict]:
    """Verdicts on the field, and on those that stand apart, by number of their levels."""
    account = Account() if decisions is None else read_account(decisions)
    field = {name: table for name, table in tables.items() if name not in apart}
    verdicts = judge_field(
        field, champion, opponents, catalogue, account=account, entrants=entrants
    )
    for name in tables.keys() - field.keys():
        seen = judge_apart(tables[name], name, apart[name], champion, opponents, LEVEL)
        verdicts[name] = Verdict("apart", *seen)
    return {name: verdicts[name] for name in tables}


def _name_subject(
    recipe: str, look: Look | None, round_id: str, entrants: Mapping[str, Entrant]
) -> Subject:
    own = entrants.get(recipe)
    return Subject(
        recipe_id=own.recipe_id if own else None,
        code=own.code if own else None,
        round_id=round_id or None,
        field=look.field_json if look else None,
        level_left=look.left if look else None,
    )


def judge_field(
    tables: Mapping[str, pl.DataFrame],
    champion: str,
    opponents: Sequence[str],
    catalogue: Catalogue,
    *,
    account: Account | None = None,
    entrants: Mapping[str, Entrant] | None = None,
) -> dict[str, Verdict]:
    """Verdicts on challengers, by name.

    Args:
        tables: `losses` of each challenger, the champion and the opponents.
        champion: champion.
        opponents: what a challenger must beat beside the champion.
        catalogue: which markets are liquid.
        account: what was spent since the champion last changed.
        entrants: what each recipe is; one that is not there is told by its name.
    """
    entries: dict[str, Entry] = {}
    verdicts: dict[str, Verdict] = {}
    for name, table in tables.items():
        try:
            if name == champion:
                reason = f"{name} is the champion; it is not tested against itself."
                verdicts[name] = Verdict("keep", reason, {})
            else:
                entries[name] = enter_gate(table, name, champion, opponents)
        except Abstains as why:
            verdicts[name] = Verdict("abstain", f"Abstained: {why}", {})
    if entries:
        sides = [champion, *opponents]
        evidence = identify_evidence(tables[next(iter(entries))], sides, entrants or {})
        field = {name: _entrant(name, entrants or {}) for name in entries}
        look = spend_level(account or Account(), evidence, field)
        verdicts |= _judge_entries(entries, champion, catalogue, look)
    return {name: verdicts[name] for name in tables}


def identify_evidence(
    table: pl.DataFrame, sides: Sequence[str], entrants: Mapping[str, Entrant]
) -> Evidence:
    """What a look rests on: the scored forecasts of the champion and the other opponents.

    Args:
        table: `losses` with those of all sides.
        sides: the champion and the other opponents.
        entrants: what each of them is.
    """
    own = table.filter(pl.col("recipe").is_in(list(sides)))
    cell = ["commodity", "horizon"]
    scored = own.select("recipe", *cell, "origin_session", "crps").sort(pl.all())
    named = [(name, asdict(_entrant(name, entrants))) for name in sorted(set(own["recipe"]))]
    axes = json.dumps([sides[0], named, own.select(cell).unique().sort(cell).rows()])
    return Evidence(
        content=hashlib.sha256(scored.write_csv().encode()).hexdigest(),
        axes=hashlib.sha256(axes.encode()).hexdigest(),
        independent=group(own.filter(pl.col("recipe") == sides[0])).independent,
    )


def _entrant(name: str, entrants: Mapping[str, Entrant]) -> Entrant:
    return entrants.get(name, Entrant(name, ""))


def _judge_entries(
    entries: Mapping[str, Entry], champion: str, catalogue: Catalogue, look: Look
) -> dict[str, Verdict]:
    """Verdicts on the challengers that can be judged, at most one of them a promotion."""
    levels = share_out_level(look.level, {name: own.pairings for name, own in entries.items()})
    verdicts = {
        name: _judge_entry(entry, champion, catalogue, levels[name])
        for name, entry in entries.items()
    }
    passed = [name for name, own in verdicts.items() if own.verdict == "promote"]
    best = min(passed, key=lambda name: find_hardest(entries[name].pairings).p_value, default="")
    for name in passed:
        if name != best:
            words = describe_passed_over(name, best, verdicts[name].reason)
            verdicts[name] = replace(verdicts[name], verdict="keep", reason=words)
    chance = median(foresee_promotion(entry, look) for entry in entries.values())
    words = f"{describe_look(look)} {describe_chance(FORESEEN_GAIN, champion, chance)}"
    noted = {"look": look.costs, "chance_of_promotion": {f"{FORESEEN_GAIN:g}": chance}}
    return {
        name: replace(own, reason=f"{own.reason} {words}", figures=own.figures | noted, look=look)
        for name, own in verdicts.items()
    }


def _judge_entry(entry: Entry, champion: str, catalogue: Catalogue, level: float) -> Verdict:
    """What is shown of a challenger at its level."""
    recipe, shared = entry.recipe, entry.shared
    everything = group(shared)
    results = [judge_pairing(pairing, level) for pairing in entry.pairings]
    by_cell = cells(shared, recipe, champion)
    suspicious = find_suspicions(entry.table, recipe, catalogue)
    verdict = _choose_verdict(results, suspicious)
    reason = describe_verdict(verdict, recipe, results, by_cell, suspicious)
    if entry.lacking:
        reason += f" {describe_absence(entry.lacking)}"
    figures: dict[str, object] = {
        "own_level": level,
        "weeks": everything.weeks,
        "lags": everything.lags,
        "scored": everything.count,
        "same_as_champion": entry.pairings[0].is_same,
        "contests": [asdict(contest) for contest in results],
        "cells": [asdict(cell) for cell in by_cell],
        "too_good": list(suspicious),
        "lacking": list(entry.lacking),
    }
    return Verdict(verdict, reason, figures)


def _choose_verdict(results: Sequence[Contest], suspicious: Sequence[str]) -> str:
    against_champion, *against_others = results
    if not all(contest.shown for contest in against_others):
        return "no_skill"
    if not against_champion.shown:
        return "keep"
    return "too_good" if suspicious else "promote"


def foresee_promotion(entry: Entry, look: Look) -> float:
    """Chance that a recipe `FORESEEN_GAIN` better is promoted at a look of its own in a year.

    It is the power of the test against the champion, at the level of the next entry, with the
    standard error that this entry's gain has today and the evidence a year longer; of several
    entries the middle one counts. A look at once and another as the evidence grows are not added,
    nor are the other opponents reckoned with.
    """
    tests, weeks = entry.pairings[0].comparison, len(entry.pairings[0].difference)
    longer = np.sqrt(weeks / (weeks + WEEKS_OF_A_YEAR))
    chances = [
        stats.t.sf(
            stats.t.isf(look.next_entry, test.degrees) - FORESEEN_GAIN / (test.error * longer),
            test.degrees,
        )
        for test in (tests.diebold_mariano, tests.cosine)
        if test.error > 0.0
    ]
    return float(min(chances, default=1.0))
