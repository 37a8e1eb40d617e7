"""What the gate can compare: each challenger with each opponent, on the origins that both have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.evaluation.evidence import Pairing, pair
from cbi_pipeline.evaluation.field import FEWEST_SHARED
from cbi_pipeline.evaluation.groups import group, select_common
from cbi_pipeline.evaluation.losses import losses, share_levels

# Fewer stretches without overlap than this decide nothing.
FEWEST_PERIODS = 5
FEWEST_WEEKS = 26


class Abstains(ValueError):
    """A challenger cannot be judged; the message says why."""


@dataclass(frozen=True)
class Entry:
    """A challenger that can be judged.

    Attributes:
        recipe: its name.
        pairings: with the champion first, then the other opponents that it can be compared with.
        lacking: opponents that it cannot be compared with, and why.
        shared: `losses` of it and the champion at the origins that both forecast.
        table: `losses` of it and all opponents.
    """

    recipe: str
    pairings: tuple[Pairing, ...]
    lacking: tuple[str, ...]
    shared: pl.DataFrame
    table: pl.DataFrame


def find_first_judged(table: pl.DataFrame, development: float) -> pl.DataFrame:
    """The first origin of each commodity that the gate may read: ``commodity``, ``first``.

    Recipes are tried on the share of origins before it, so what is found there proves nothing.

    Args:
        table: `losses` of all recipes.
        development: share of each commodity's origins.
    """
    origins = table.select("commodity", "origin_session").unique()
    number, count = pl.col("origin_session").rank("ordinal"), pl.len()
    later = origins.filter((number > (development * count).floor()).over("commodity"))
    return later.group_by("commodity").agg(first=pl.col("origin_session").min())


def skip_development(table: pl.DataFrame, first: pl.DataFrame) -> pl.DataFrame:
    """The `losses` from the origins of `find_first_judged` on."""
    dated = table.join(first, on="commodity", maintain_order="left")
    return dated.filter(pl.col("origin_session") >= pl.col("first")).drop("first")


def tables_of(
    forecasts: pl.DataFrame,
    targets: pl.DataFrame,
    challengers: Sequence[str],
    opponents: Sequence[str],
    catalogue: Catalogue,
) -> Iterator[tuple[str, pl.DataFrame]]:
    """The `losses` of each challenger and its opponents, at the levels that all of these have.

    A recipe of fewer levels coarsens no comparison but its own.
    """
    levels = {
        str(recipe): own["quantile"].unique().to_list()
        for (recipe,), own in forecasts.group_by("recipe")
    }
    by_levels: dict[tuple[float, ...], list[str]] = {}
    for name in challengers:
        sides = [levels[side] for side in (name, *opponents) if side in levels]
        by_levels.setdefault(share_levels(sides), []).append(name)
    for names in by_levels.values():
        compared = forecasts.filter(pl.col("recipe").is_in([*names, *opponents]))
        table = losses(compared, targets, catalogue)
        yield from ((name, table) for name in names)


def enter_gate(table: pl.DataFrame, recipe: str, champion: str, opponents: Sequence[str]) -> Entry:
    """Compare a challenger with the champion and with each opponent.

    Args:
        table: `losses` of all of them.
        recipe: challenger.
        champion: champion.
        opponents: the others that it must beat.

    Raises:
        Abstains: too few forecasts can be compared.
    """
    shared = _share(table, recipe, champion)
    pairings, lacking = [pair(shared, recipe, champion)], []
    present = set(table["recipe"])
    for opponent in dict.fromkeys(opponents):
        if opponent in (recipe, champion):
            continue
        if opponent not in present:
            lacking.append(f"{opponent}, which has no scored forecast in this round")
            continue
        own = select_common(table, [recipe, opponent])
        if len(own) < FEWEST_SHARED * len(shared) or not _is_enough(own):
            lacking.append(f"{opponent}, which shares too few origins with it")
            continue
        pairings.append(pair(own, recipe, opponent))
    return Entry(recipe, tuple(pairings), tuple(lacking), shared, table)


def _share(table: pl.DataFrame, recipe: str, champion: str) -> pl.DataFrame:
    """The `losses` of a challenger and the champion at common origins, where there are enough."""
    scored = dict(table.group_by("recipe").len().iter_rows())
    if not scored:
        raise Abstains("no forecast can be scored yet.")
    absent = [name for name in dict.fromkeys([recipe, champion]) if name not in scored]
    if absent:
        raise Abstains(f"no forecast of {', '.join(absent)} can be scored; it sat out.")
    shared = select_common(table, [recipe, champion])
    sides = len({recipe, champion})
    if len(shared) < sides * FEWEST_SHARED * scored[champion]:
        raise Abstains(
            f"only {len(shared) // sides} of the champion's {scored[champion]} scored forecasts "
            f"were made by {recipe} too; {FEWEST_SHARED:.0%} are needed."
        )
    if not _is_enough(shared):
        own = group(shared)
        raise Abstains(
            f"{own.weeks} weeks of scored forecasts, of which {own.lags + 1} in a row overlap, "
            f"are too little evidence; {_count_needed(own.lags)} weeks are needed."
        )
    return shared


def _is_enough(shared: pl.DataFrame) -> bool:
    own = group(shared)
    return own.weeks >= _count_needed(own.lags)


def _count_needed(lags: int) -> int:
    return max(FEWEST_WEEKS, FEWEST_PERIODS * (lags + 1))
