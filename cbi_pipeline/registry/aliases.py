"""Which version bears which alias, derived from the decisions alone."""

from __future__ import annotations

import polars as pl

from cbi_pipeline.registry.errors import RegistryMismatch

CHAMPION = "champion"
CHALLENGER = "challenger"
DERIVED = frozenset({CHAMPION, CHALLENGER})

_CROWNS = ("first", "promote", "rollback")


def derive(decisions: pl.DataFrame, versions: pl.DataFrame) -> dict[str, int]:
    """The version of each alias that the decisions call for.

    The champion recipe is that of the newest decision with verdict first, promote or rollback;
    the challenger is the recipe decided on last, unless it is the champion. Each alias goes to
    the newest version of its recipe.

    Args:
        decisions: rows of registry.decision, oldest first where ``decided_at`` is equal.
        versions: rows of registry.version.

    Returns:
        Alias to version; an alias that nothing calls for is absent.

    Raises:
        RegistryMismatch: the champion recipe has no registered version.
    """
    # The archive profile's clock stands still, so the founding decision is put first by name.
    ordered = decisions.sort(
        "decided_at", pl.col("verdict") != "first", maintain_order=True
    ).select("recipe", "verdict")
    crowned = ordered.filter(pl.col("verdict").is_in(_CROWNS))["recipe"]
    if crowned.is_empty():
        return {}
    champion, challenger = crowned[-1], ordered["recipe"][-1]
    newest = _newest(versions)
    if champion not in newest:
        raise RegistryMismatch(
            f"recipe {champion!r} was decided to be champion but has no registered version; "
            f"register it and reconcile again"
        )
    aliases = {CHAMPION: newest[champion]}
    if challenger != champion and challenger in newest:
        aliases[CHALLENGER] = newest[challenger]
    return aliases


def _newest(versions: pl.DataFrame) -> dict[str, int]:
    grouped = versions.group_by("recipe").agg(pl.col("version").max())
    return dict(grouped.select("recipe", "version").iter_rows())
