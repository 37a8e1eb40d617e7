"""Who is champion, and which version bears which alias: derived from the decisions alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from cbi_pipeline.registry.errors import RegistryMismatch
from data_contracts.evaluation import CROWNS, NIGHTLY

CHAMPION = "champion"
CHALLENGER = "challenger"
DERIVED = frozenset({CHAMPION, CHALLENGER})

# What a decision says; a decider who says the same twice in a row has said it once.
_VERDICT = ("evaluation_id", "recipe", "champion", "verdict", "version")


@dataclass(frozen=True, slots=True)
class Champion:
    """The recipe that is champion, and the version of it that a decision names.

    Attributes:
        recipe: champion recipe.
        version: version in use; None between the crowning of a recipe and its first version.
    """

    recipe: str
    version: int | None


def sort_decisions(decisions: pl.DataFrame) -> pl.DataFrame:
    """Rows of registry.decision, oldest first.

    At one instant the founding decision comes first and the nightly refresh last, as they are
    made in a night; rows added by `following` never share an instant.
    """
    verdict = pl.col("verdict")
    rank = pl.when(verdict == "first").then(0).when(verdict.is_in(NIGHTLY)).then(2).otherwise(1)
    return decisions.sort("decided_at", rank, "version", maintain_order=True)


def newest_evidence(decisions: pl.DataFrame) -> str:
    """The evaluation that the gate saw last; empty before it saw one."""
    seen = sort_decisions(decisions).filter(pl.col("who") == "gate")
    return "".join(seen["evaluation_id"].tail(1))


def following(decisions: pl.DataFrame, ruling: pl.DataFrame) -> pl.DataFrame:
    """A decision as the next row of the record; no row when its decider's last word says the same.

    Several may be made at one instant of the clock; each comes a microsecond after the one before.
    What was said before and overruled since is said again as a decision of its own: so it is when
    a catalogue is changed and changed back.

    Args:
        decisions: rows of registry.decision.
        ruling: one row more.
    """
    rulings = pl.concat([sort_decisions(decisions), ruling]).filter(
        pl.col("who") == ruling["who"][0]
    )
    *earlier, now = rulings.select(_VERDICT).rows()
    if now in earlier[-1:]:
        return ruling.clear()
    name: str = ruling["decision_id"][0]
    if now in earlier:
        name = hashlib.sha256(f"{name}\n{len(earlier)}".encode()).hexdigest()
    at = date_decision(decisions, ruling["decided_at"][0])
    return ruling.with_columns(
        decision_id=pl.lit(name), decided_at=pl.lit(at, ruling.schema["decided_at"])
    )


def date_decision(decisions: pl.DataFrame, now: datetime) -> datetime:
    """``now``, or just after the newest decision where the clock is no further than that."""
    newest = decisions["decided_at"].max()
    if not isinstance(newest, datetime):
        return now
    return max(now, newest + timedelta(microseconds=1))


def current_champion(decisions: pl.DataFrame) -> Champion | None:
    """The champion of now; None before the first decision that crowned a recipe."""
    champions = list(_champions(decisions))
    return champions[-1] if champions else None


def list_earlier_founders(decisions: pl.DataFrame) -> tuple[str, ...]:
    """Recipes that were champion by the choice of an earlier release or catalogue, oldest first.

    They gave way untested, so whoever would be champion has to beat them still.
    """
    founding = sort_decisions(decisions).filter(pl.col("verdict") == "first")
    replaced = founding.filter(pl.col("recipe") != pl.col("champion"))["champion"]
    return tuple(replaced.unique(maintain_order=True))


def versions_in_use(decisions: pl.DataFrame) -> list[tuple[int, datetime]]:
    """Versions in use since a recipe was last crowned, the promoted one first.

    Returns:
        Version, and what was known when it was taken into use: what it forecast came later.
    """
    used: list[tuple[int, datetime]] = []
    champion = None
    for row in sort_decisions(decisions).iter_rows(named=True):
        if row["verdict"] in CROWNS:
            used, champion = [], row["recipe"]
        elif row["verdict"] != "refresh" or row["recipe"] != champion:
            continue
        if row["version"] is not None:
            used.append((row["version"], row["as_of"] or row["decided_at"]))
    return used


def find_previous_champion(decisions: pl.DataFrame) -> Champion | None:
    """What a rollback goes back to: the version in use before the one in use now.

    A rollback undoes one change, so a second one goes back another step.
    """
    past: list[Champion] = []
    for decision in (
        sort_decisions(decisions).select("verdict", "recipe", "version").iter_rows(named=True)
    ):
        if decision["version"] is None or decision["verdict"] == "hold":
            continue
        if decision["verdict"] == "rollback":
            past = past[:-1]
        elif not past or past[-1].version != decision["version"]:
            past.append(Champion(decision["recipe"], decision["version"]))
    return past[-2] if len(past) > 1 else None


def derive(
    decisions: pl.DataFrame, versions: pl.DataFrame, tonight: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The version of each alias that the decisions call for.

    The champion recipe is that of the newest decision with verdict first, promote or rollback.
    Its version is the one that this decision or a later refresh of the recipe names, else the
    newest there is. The challenger is the newest version of the recipe that the gate or a person
    decided on last, unless it is the champion.

    Args:
        decisions: rows of registry.decision.
        versions: rows of registry.version.
        tonight: version in question of a recipe, where that is not the one registered last: an
            earlier configuration has come back.

    Returns:
        Alias to version; an alias that nothing calls for is absent.

    Raises:
        RegistryMismatch: the champion has no registered version.
    """
    now = current_champion(decisions)
    if now is None:
        return {}
    newest = _list_newest(versions) | dict(tonight or {})
    champion = now.version or newest.get(now.recipe)
    if champion is None or champion not in versions["version"]:
        raise RegistryMismatch(
            f"recipe {now.recipe!r} was decided to be champion but has no registered version; "
            f"register it and reconcile again"
        )
    aliases = {CHAMPION: champion}
    judged = sort_decisions(decisions).filter(~pl.col("verdict").is_in(NIGHTLY))["recipe"][-1]
    if judged != now.recipe and judged in newest:
        aliases[CHALLENGER] = newest[judged]
    return aliases


def _champions(decisions: pl.DataFrame) -> Iterator[Champion]:
    recipe = None
    for decision in (
        sort_decisions(decisions).select("verdict", "recipe", "version").iter_rows(named=True)
    ):
        if decision["verdict"] in CROWNS:
            recipe = decision["recipe"]
            yield Champion(recipe, decision["version"])
        elif decision["verdict"] == "refresh" and decision["recipe"] == recipe:
            yield Champion(recipe, decision["version"])


def _list_newest(versions: pl.DataFrame) -> dict[str, int]:
    grouped = versions.group_by("recipe").agg(pl.col("version").max())
    return dict(grouped.select("recipe", "version").iter_rows())
