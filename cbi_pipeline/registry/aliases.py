"""Who reigns, and which version bears which alias: derived from the decisions alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from cbi_pipeline.registry.errors import RegistryMismatch
from data_contracts.evaluation import CROWNS, NIGHTLY

CHAMPION = "champion"
CHALLENGER = "challenger"
DERIVED = frozenset({CHAMPION, CHALLENGER})


@dataclass(frozen=True, slots=True)
class Reign:
    """The recipe that is champion, and the version of it that a decision names.

    Attributes:
        recipe: champion recipe.
        version: version in use; None between the crowning of a recipe and its first version.
    """

    recipe: str
    version: int | None


def chronicle(decisions: pl.DataFrame) -> pl.DataFrame:
    """Rows of registry.decision, oldest first.

    The archive profile's clock stands still, so at one instant the founding decision comes first
    and the nightly refresh, which follows the gate, last.
    """
    verdict = pl.col("verdict")
    rank = pl.when(verdict == "first").then(0).when(verdict.is_in(NIGHTLY)).then(2).otherwise(1)
    return decisions.sort("decided_at", rank, "version", maintain_order=True)


def reign(decisions: pl.DataFrame) -> Reign | None:
    """The reign of now; None before the first decision that crowned a recipe."""
    reigns = list(_reigns(decisions))
    return reigns[-1] if reigns else None


def before(decisions: pl.DataFrame) -> Reign | None:
    """What a rollback goes back to: the version in use before the one in use now.

    A rollback undoes one change, so a second one goes back another step.
    """
    past: list[Reign] = []
    for one in chronicle(decisions).select("verdict", "recipe", "version").iter_rows(named=True):
        if one["version"] is None or one["verdict"] == "hold":
            continue
        if one["verdict"] == "rollback":
            past = past[:-1]
        elif not past or past[-1].version != one["version"]:
            past.append(Reign(one["recipe"], one["version"]))
    return past[-2] if len(past) > 1 else None


def derive(decisions: pl.DataFrame, versions: pl.DataFrame) -> dict[str, int]:
    """The version of each alias that the decisions call for.

    The champion recipe is that of the newest decision with verdict first, promote or rollback.
    Its version is the one that this decision or a later refresh of the recipe names, else the
    newest there is. The challenger is the newest version of the recipe that the gate or a person
    decided on last, unless it is the champion.

    Args:
        decisions: rows of registry.decision.
        versions: rows of registry.version.

    Returns:
        Alias to version; an alias that nothing calls for is absent.

    Raises:
        RegistryMismatch: the champion has no registered version.
    """
    now = reign(decisions)
    if now is None:
        return {}
    newest = _newest(versions)
    champion = now.version or newest.get(now.recipe)
    if champion is None or champion not in versions["version"]:
        raise RegistryMismatch(
            f"recipe {now.recipe!r} was decided to be champion but has no registered version; "
            f"register it and reconcile again"
        )
    aliases = {CHAMPION: champion}
    judged = chronicle(decisions).filter(~pl.col("verdict").is_in(NIGHTLY))["recipe"][-1]
    if judged != now.recipe and judged in newest:
        aliases[CHALLENGER] = newest[judged]
    return aliases


def _reigns(decisions: pl.DataFrame) -> Iterator[Reign]:
    recipe = None
    for one in chronicle(decisions).select("verdict", "recipe", "version").iter_rows(named=True):
        if one["verdict"] in CROWNS:
            recipe = one["recipe"]
            yield Reign(recipe, one["version"])
        elif one["verdict"] == "refresh" and one["recipe"] == recipe:
            yield Reign(recipe, one["version"])


def _newest(versions: pl.DataFrame) -> dict[str, int]:
    grouped = versions.group_by("recipe").agg(pl.col("version").max())
    return dict(grouped.select("recipe", "version").iter_rows())
