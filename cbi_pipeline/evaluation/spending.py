"""How the gate's level is spent over looks, from one promotion to the next.

A look at a recipe that is new, or at evidence that is not merely longer than before, pays in full:
the k-th such look has a share of 6 / (pi k)^2, which add up to 1 over any number of them. A look at
recipes seen before on evidence that has grown is nearly the look before: what it adds is bounded by
the rate at which a standardised sum crosses a boundary as it goes on, and it is paid out of a
second purse in proportion to the new evidence (Lan and DeMets, 1983). ``docs/decisions`` says what
was measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import optimize, stats

from data_contracts.evaluation import CROWNS, LOOKS

#: Chance of ever promoting a useless recipe between two promotions.
LEVEL = 0.05
#: Share of the level for looks at what is new; the rest is for evidence that grows.
ENTRY_SHARE = 0.7

# Critical values that levels are sought between, in standard errors.
_LEAST, _LARGEST = 1.0, 12.0
# Columns of a decision that note its look; homes of earlier releases hold them in the first alone.
_NOTED = ("statistics", "field", "level_left")


@dataclass(frozen=True, slots=True)
class Entrant:
    """What a recipe is, whatever its name.

    Attributes:
        recipe_id: hash of its settings.
        code: name of the code that gives its forecasts.
    """

    recipe_id: str
    code: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a look rests on.

    Attributes:
        content: hash of the scored forecasts of the champion and the other opponents.
        axes: hash of the opponents and of the commodities and horizons; evidence of the same axes
            may be what it was before, and longer.
        independent: outcomes that share no news.
    """

    content: str
    axes: str
    independent: float


@dataclass(frozen=True, slots=True)
class Look:
    """One look of the gate at a field of recipes.

    Attributes:
        evidence: what it rests on.
        field: the recipes that it judges at once, by name.
        is_entry: whether a recipe, or the evidence, is new.
        entry_cost: what it takes of the level for what is new.
        growth_cost: what it takes for evidence that has grown.
        level: chance that any of the field passes though useless; more than both costs where
            the look nearly repeats one before.
        left: of the level, after it.
        next_entry: level of a look at one new recipe that comes next.
    """

    evidence: Evidence
    field: Mapping[str, Entrant]
    is_entry: bool
    entry_cost: float
    growth_cost: float
    level: float
    left: float
    next_entry: float

    @property
    def costs(self) -> dict[str, object]:
        """What a decision notes of the look beside the field and what is left."""
        return {name: own for name, own in asdict(self).items() if name not in ("field", "left")}

    @property
    def field_json(self) -> str:
        """The field as a decision notes it."""
        return json.dumps({name: asdict(own) for name, own in self.field.items()}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Account:
    """What was spent since the champion last changed.

    Attributes:
        looks: oldest first.
        earlier: looks of releases that noted no evidence; each counts as an entry.
    """

    looks: tuple[Look, ...] = ()
    earlier: int = 0

    @property
    def entries(self) -> int:
        """Looks that paid in full."""
        return self.earlier + sum(look.is_entry for look in self.looks)

    @property
    def spent(self) -> float:
        """Of the level, by all looks."""
        of_earlier = sum(_price_entry(number + 1) for number in range(self.earlier))
        return of_earlier + sum(look.entry_cost + look.growth_cost for look in self.looks)

    def find_seen(self, axes: str) -> dict[Entrant, float]:
        """Independent outcomes at the newest look at each recipe on evidence of some axes."""
        return {
            entrant: look.evidence.independent
            for look in self.looks
            if look.evidence.axes == axes
            for entrant in look.field.values()
        }


def read_account(decisions: pl.DataFrame) -> Account:
    """What was spent since the champion last changed.

    Args:
        decisions: rows of ``registry.decision``. Those of earlier releases count once per recipe
            and calendar month, as they were paid for.
    """
    changed = decisions.filter(pl.col("verdict").is_in(CROWNS))["decided_at"].max()
    looked = (pl.col("who") == "gate") & pl.col("verdict").is_in(LOOKS)
    looked &= ~pl.col("verdict").is_in(["abstain", "apart", "promote"])
    rows = decisions.filter(looked, pl.col("recipe") != pl.col("champion")).sort("decided_at")
    if changed is not None:
        rows = rows.filter(pl.col("decided_at") >= changed)
    looks: dict[str, Look] = {}
    earlier = set()
    month = pl.col("decided_at").dt.truncate("1mo")
    for recipe, at, *noted in rows.select("recipe", month, *_NOTED).iter_rows():
        statistics, field, left = noted
        costs = json.loads(statistics).get("look")
        if costs is None:
            earlier.add((recipe, at))
        else:
            looks.setdefault(json.dumps([costs, field]), _to_look(costs, field, left))
    return Account(tuple(looks.values()), len(earlier))


def spend_level(account: Account, evidence: Evidence, field: Mapping[str, Entrant]) -> Look:
    """The look that comes next, at its level.

    Args:
        account: what was spent before.
        evidence: what it rests on.
        field: the recipes judged, at least one.
    """
    seen = account.find_seen(evidence.axes)
    before = [seen.get(entrant, np.inf) for entrant in field.values()]
    is_entry = any(independent >= evidence.independent for independent in before)
    grown = [independent for independent in before if independent < evidence.independent]
    entry_cost = _price_entry(account.entries + 1) if is_entry else 0.0
    growth_cost = _price_growth(account, evidence) if grown else 0.0
    growth = 0.5 * float(np.log(evidence.independent / min(grown))) if grown else 0.0
    cost = entry_cost + growth_cost
    level = solve_level(cost, len(field), growth, is_entry=is_entry)
    return Look(
        evidence=evidence,
        field=dict(field),
        is_entry=is_entry,
        entry_cost=entry_cost,
        growth_cost=growth_cost,
        level=level,
        left=LEVEL - account.spent - cost,
        next_entry=_price_entry(account.entries + is_entry + 1),
    )


def solve_level(cost: float, recipes: int, growth: float, *, is_entry: bool) -> float:
    """The level of a look that adds ``cost`` to the chance of any false promotion.

    A standardised sum whose evidence grows by d log n moves as an Ornstein-Uhlenbeck process over
    a time of d log n / 2; it rises above c at a rate of c phi(c) (Pickands, 1969), which bounds
    what a look adds to the ones before it. Each of the recipes has its own sum.

    Args:
        cost: what may be added.
        recipes: judged at once.
        growth: half the logarithm of the evidence over that of the look before.
        is_entry: whether the look stands for itself as well.
    """

    def spend(critical: float) -> float:
        level = recipes * float(stats.norm.sf(critical))
        crossing = recipes * growth * critical * float(stats.norm.pdf(critical))
        return (level if is_entry else 0.0) + min(level, crossing) - cost

    if spend(_LEAST) <= 0.0:
        return LEVEL
    critical = optimize.brentq(spend, _LEAST, _LARGEST) if spend(_LARGEST) < 0.0 else _LARGEST
    return min(LEVEL, recipes * float(stats.norm.sf(critical)))


def _price_entry(number: int) -> float:
    return float(ENTRY_SHARE * LEVEL * 6.0 / (np.pi * number) ** 2)


def _price_growth(account: Account, evidence: Evidence) -> float:
    """What has become due of the second purse and is not spent.

    At n independent outcomes its share 1 - n(first look) / n is due, which is never all of it.
    """
    own = [
        look.evidence.independent for look in account.looks if look.evidence.axes == evidence.axes
    ]
    due = (1.0 - ENTRY_SHARE) * LEVEL * (1.0 - min(own) / evidence.independent)
    return float(max(0.0, due - sum(look.growth_cost for look in account.looks)))


def _to_look(costs: Mapping[str, Any], field: str, left: float) -> Look:
    """A look from what its decisions note."""
    recipes = {name: Entrant(**entrant) for name, entrant in json.loads(field).items()}
    own = {**costs, "evidence": Evidence(**costs["evidence"]), "field": recipes, "left": left}
    return Look(**own)
