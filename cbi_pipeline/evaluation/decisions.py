"""Rows of ``registry.decision``: the founding one, people's, the nightly refresh's, the gate's."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Literal

import polars as pl

from cbi_pipeline.evaluation.refresh import Refresh
from cbi_pipeline.forecasting.version import VERSION
from data_contracts.evaluation import CROWNS, DECISION


@dataclass(frozen=True, slots=True)
class Subject:
    """What the gate decided on: which recipe, in which round, and beside which others.

    Attributes:
        recipe_id: hash of its settings.
        code: name of the code that gave its forecasts.
        round_id: round that the forecasts belong to.
        field: settings and code of each recipe that the look judged, as JSON; None where the
            recipe could not be looked at.
        level_left: of the gate's level, after the look; None as well.
    """

    recipe_id: str | None = None
    code: str | None = None
    round_id: str | None = None
    field: str | None = None
    level_left: float | None = None


@dataclass(frozen=True)
class Decision:
    """One row of ``registry.decision``.

    Attributes:
        decision_id: hash of the evaluation, the recipes, the verdict and who decided.
        decided_at: instant on the wall clock.
        evaluation_id: evaluation it rests on.
        recipe: challenger.
        champion: champion it faced.
        verdict: promote, keep, no_skill, abstain, apart or too_good of the gate; first; rollback of
            a person; refresh or hold of the nightly refresh.
        reason: the verdict in words, with numbers.
        statistics: every figure used, as JSON.
        who: "gate", "refresh", or the person who decided.
        version: registered version it names, where it names one.
        subject: what it is about, where the gate decided.
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
    subject: Subject = field(default_factory=Subject)

    @property
    def promotes(self) -> bool:
        """True when the recipe becomes, or is, the champion."""
        return self.verdict in CROWNS

    def frame(self, as_of: datetime | None = None) -> pl.DataFrame:
        """The row, valid under its contract; ``as_of`` says what was known when it was made."""
        row = {**asdict(self), **asdict(self.subject), "as_of": as_of}
        del row["subject"]
        return DECISION.validate(pl.DataFrame([row], schema=DECISION.dtypes))


def decide_founder(
    recipe: str,
    *,
    evaluation_id: str,
    decided_at: datetime,
    before: str | None = None,
    is_left: bool = True,
) -> Decision:
    """The row that makes the catalogue's founder champion before anything was proven.

    Args:
        recipe: the founder.
        evaluation_id: the evidence of the night, if there is any.
        decided_at: now.
        before: the founder of an earlier release or catalogue whose place it takes.
        is_left: whether the catalogue has a recipe of that name still.
    """
    reason = f"{recipe} is the first champion by the catalogue's choice; nothing was tested yet."
    if before is None:
        return decision(evaluation_id, recipe, recipe, "first", reason, decided_at=decided_at)
    reason = (
        f"{recipe} takes the place of {before}, which was champion by the catalogue's choice as "
        "well; nothing was tested yet. A champion that was promoted would have stayed. "
    )
    reason += (
        f"Whoever would be champion has to beat {before} still."
        if is_left
        else f"No recipe is called {before} any more, so that challengers cannot be set against it."
    )
    who = f"release {VERSION}"
    return decision(evaluation_id, recipe, before, "first", reason, decided_at=decided_at, who=who)


def decide_by_person(
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


def decide_refresh(
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
    subject: Subject | None = None,
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
        subject=subject or Subject(),
    )
