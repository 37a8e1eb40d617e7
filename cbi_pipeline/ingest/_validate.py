"""Validation: what is new, what is gone, what is set aside, what is doubted.

Rows of files and of services are judged alike; what a service says is compared with what is held,
and files are used whole or not at all.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from cbi_pipeline.feeds import FeedError, Source
from cbi_pipeline.ingest._doubt import Examination
from cbi_pipeline.ingest._files import answered, complete, outcomes
from cbi_pipeline.ingest._judged import Judged, Part
from cbi_pipeline.ingest._land import Landed
from cbi_pipeline.ingest._read import read_pull, sourced
from cbi_pipeline.ingest._screen import NO_REFUSALS
from cbi_pipeline.ingest._stage import Held, LandedPull
from cbi_pipeline.ledger import Ledger


def judge(
    feed: Source,
    landed: Landed,
    ledger: Ledger,
    held: Held | None = None,
    refused: pl.DataFrame = NO_REFUSALS,
    *,
    anew: bool = True,
) -> Judged:
    """Screen what was landed, and compare what a service says with what is held.

    Args:
        feed: feed that was asked, or whose files were opened.
        landed: what came.
        ledger: where its bytes lie.
        held: what is held of the feed's series; nothing where None.
        refused: rows that were set aside when this was first judged, and stay so.
        anew: False where the night was judged before: what was believed then is.
    """
    parts, faults = [], []
    for pull in landed.pulls:
        try:
            before = held or Held(table=feed.table)
            parts.append(_part(feed, pull, ledger, before, landed.at, refused, anew))
        except FeedError as error:
            faults.append(pull.fault(error))
    return Judged.of(feed, parts, faults, outcomes(feed, parts) if feed.service is None else ())


def _part(
    feed: Source,
    landed: LandedPull,
    ledger: Ledger,
    held: Held,
    now: datetime,
    refused: pl.DataFrame,
    anew: bool,
) -> Part:
    part, examination = Part.of(landed), Examination(feed, landed, held, now, anew)
    for some in read_pull(feed, landed, held.sizes, held.newest, now, refused):
        if feed.service is None:
            rows = some.good.select(feed.table.row_columns)
            part.add(feed, some, rows, rows, some.rejected.clear())
        else:
            part.add(feed, some, *examination.examine(some))
    examination.require_believable()
    part.rejected = [sourced(pl.concat(part.rejected), feed, landed, ledger)]
    part.faults, part.confirmed = examination.faults(), frozenset(examination.confirmed)
    if feed.service is None:
        part.complete, part.answered = complete(feed, part), answered(feed, part)
    return part
