"""Rules about files: a row that breaks one is set aside, a rule about the whole blocks all.

A file is all there is of its periods, and nobody asks it again tonight. So it is used whole or not
at all, and the rules that say which look at the delivery, not at one series of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import polars as pl

from cbi_pipeline.feeds import Pull, Source
from cbi_pipeline.ingest._judged import Judged, Part
from cbi_pipeline.ingest._quarantine import describe_refusals
from data_contracts.families import family
from data_contracts.shape import findings
from data_contracts.table_rules import (
    RuleOutcome,
    quarantined_share,
    series_present,
    shape_outcomes,
)


class TableRuleBroken(RuntimeError):
    """A rule about the whole delivery is broken; nothing of it was used."""


def complete(source: Source, part: Part) -> tuple[str, ...]:
    """Series that a file has every period of."""
    # A row set aside is not a row withdrawn: such a series says nothing about absent periods.
    doubtful = {name for rows in part.rejected for name in rows["series_id"]}
    named = () if source.adds else part.landed.complete
    return tuple(name for name in named if name not in doubtful)


def answered(source: Source, part: Part) -> Pull:
    """The periods that a file speaks of."""
    pull = part.landed.pull
    if not source.adds:
        return pull
    periods = part.recorded()["period"]
    first, last = periods.min() or pull.first, periods.max() or pull.first
    assert isinstance(first, date) and isinstance(last, date)
    return replace(pull, first=first, last=last)


def require(judged: Judged) -> None:
    """Stop when a rule about the delivery is broken.

    Raises:
        TableRuleBroken: names every broken rule with its finding, and the rows that were refused.
    """
    broken = [f"{one.rule}: {one.detail}" for one in judged.outcomes if not one.passed]
    if broken:
        refused = describe_refusals(judged.rejected)
        raise TableRuleBroken("; ".join([*broken, *refused]) + ". Nothing of it was used")


def outcomes(source: Source, files: Sequence[Part]) -> tuple[RuleOutcome, ...]:
    """What the rules about a delivery of files find."""
    numbered = [(one, pl.lit(number).alias("part")) for number, one in enumerate(files)]
    good = pl.concat(
        source.table.sized(one.recorded()).select(part, pl.all()) for one, part in numbered
    )
    refused = pl.concat(_refused(one).select(part, "series_id") for one, part in numbered)
    every = [one.landed.rows.all().select("series_id") for one in files]
    shapes = {one.id: family(one.family).shape for one in source.series}
    return (
        quarantined_share(pl.concat(every), refused),
        series_present(good, _expected(source, files, every)),
        *shape_outcomes(findings(good, refused, shapes)),
    )


def _refused(part: Part) -> pl.DataFrame:
    """Series of every row that was set aside."""
    return pl.concat(part.rejected).unique("locator").select("series_id")


def _expected(source: Source, files: Sequence[Part], every: Sequence[pl.DataFrame]) -> list[str]:
    """Series that must have accepted rows: a closed record's all, else those the files speak of."""
    named = {name for one in files for name in one.landed.complete}
    named |= {name for rows in every for name in rows["series_id"].unique()}
    followed = [one.id for one in source.series]
    return followed if source.closed is not None else [name for name in followed if name in named]
