"""Series of a pull that, with what is held of them, no longer look like themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date

import polars as pl

from cbi_pipeline.feeds import UnexpectedShape
from cbi_pipeline.feeds.live import LiveFeed, Pull
from cbi_pipeline.ingest._faults import Fault
from cbi_pipeline.ingest._held import CELL, Cells
from cbi_pipeline.ingest._night import LandedPull
from data_contracts.families import family
from data_contracts.shape import Shape, findings


def misshapen(
    feed: LiveFeed,
    pull: Pull,
    good: pl.DataFrame,
    rejected: pl.DataFrame,
    held: Cells,
    resized: Collection[str],
) -> Mapping[str, str]:
    """Series that break their shape inside what a pull asked for, and how.

    Args:
        feed: feed that was asked.
        pull: what was asked.
        good: rows that keep their contract, in the order of the answer.
        rejected: rejected rows, one line per broken rule.
        held: what was known of these series before.
        resized: series whose sizes are judged elsewhere.
    """
    new = good.select("series_id", "period", "value")
    refused = _one_part(rejected.unique("row"))
    order = findings(_one_part(new), refused, _shapes(feed, ordered=True))
    before = held.rows.select(new.columns)
    whole = _one_part(pl.concat([new, before.join(new, on=CELL, how="anti")]))
    asked = pl.col("period").is_between(pull.first, pull.last or date.max)
    rest = findings(whole, refused, _shapes(feed, ordered=False)).filter(asked)
    judged = pl.col("series_id").is_in(list(resized)) & (pl.col("rule") == "scale_change")
    found = pl.concat([order, rest.filter(~judged)]).select("series_id", "detail")
    return dict(found.unique("series_id", keep="first", maintain_order=True).iter_rows())


def shape_faults(feed: LiveFeed, landed: LandedPull, odd: Mapping[str, str]) -> tuple[Fault, ...]:
    """The fault that misshapen series make, if there are any."""
    if not odd:
        return ()
    name, words = min(odd.items())
    others = f", and {len(odd) - 1} other series" if len(odd) > 1 else ""
    error = UnexpectedShape(
        feed.name,
        f"{name}: {words}{others}",
        "None of its rows was used; compare with the service's own page",
    )
    return (landed.fault(error),)


def _one_part(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(part=pl.lit(0))


def _shapes(feed: LiveFeed, *, ordered: bool) -> dict[str, Shape]:
    known = {one.id: family(one.family).shape for one in feed.series}
    if ordered:
        return {name: Shape(ascending=shape.ascending) for name, shape in known.items()}
    # A hole does not block a live feed: publishers pause, the answer is proven to be all there is,
    # and a hole of ours is filled by reading again.
    return {name: replace(shape, ascending=False, spacing=None) for name, shape in known.items()}
