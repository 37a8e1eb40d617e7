"""What tonight's walk-forward compares, and under which name its outcome is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.defs.knowledge import Knowledge, feature_set
from data_contracts.evaluation import LOOKS

if TYPE_CHECKING:
    from cbi_pipeline.evaluation import Contender, Plan
    from cbi_pipeline.forecasting import Recipe
    from cbi_pipeline.settings import Profile
    from cbi_pipeline.warehouse import Store


def founder() -> Recipe:
    """The recipe that is champion before anything was proven."""
    from cbi_pipeline.forecasting import anchored_untrained

    return anchored_untrained(feature_set().name)


def challenger(profile: Profile) -> Recipe:
    """The recipe that faces the gate."""
    from cbi_pipeline.forecasting import anchored_gru, tiny

    return (tiny if profile == "tiny" else anchored_gru)(feature_set().name)


def recipes(profile: Profile) -> dict[str, Recipe]:
    """Every recipe that can be champion or challenger, by name."""
    return {recipe.name: recipe for recipe in (founder(), challenger(profile))}


@dataclass(frozen=True)
class Trial:
    """One walk-forward: what was known, and who is compared on it."""

    known: Knowledge
    profile: Profile

    @cached_property
    def contenders(self) -> Sequence[Contender]:
        """The naive forecasts, every recipe, and what else the catalogue asks for."""
        from cbi_pipeline.evaluation import (
            Boosted,
            Learned,
            as_contender,
            baselines,
            garch_baselines,
        )

        asked = self.known.catalogue.evaluation
        garch = garch_baselines(self.known.prices) if asked.garch else ()
        learned = (as_contender(recipe) for recipe in recipes(self.profile).values())
        recent = challenger(self.profile)
        rolling = [Learned(recent, f"{recent.name}_rolling", asked.rolling_years)]
        return (
            *baselines(feature_set().name),
            *garch,
            *([Boosted()] if asked.lightgbm else []),
            *learned,
            *(rolling if asked.rolling_years else ()),
        )

    @cached_property
    def plan(self) -> Plan:
        """Origins and refits."""
        from cbi_pipeline.evaluation import plan

        return plan(self.known.panel, self.known.catalogue, self.known.rows)

    @cached_property
    def name(self) -> str:
        """The evaluation's id: equal for equal data, recipes, plan and code."""
        from cbi_pipeline.evaluation import evaluation_id

        return evaluation_id(self.known.state, self.known.as_of, self.contenders, self.plan)

    def is_done(self, store: Store) -> bool:
        """True when this very evaluation is stored, scores and all."""
        found = store.query(
            "SELECT count(*) AS found FROM evaluation.score WHERE evaluation_id = ?", [self.name]
        )
        return bool(found["found"][0])


def judged_in_week(decisions: pl.DataFrame, recipe: str, now: datetime) -> bool:
    """True when the gate has looked at ``recipe`` in the week of ``now`` already."""
    week = now.isocalendar()[:2]
    looks = decisions.filter(pl.col("recipe") == recipe, pl.col("verdict").is_in(LOOKS))
    return any(instant.isocalendar()[:2] == week for instant in looks["decided_at"])
