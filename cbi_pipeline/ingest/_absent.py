"""Periods we hold that an answer lacks: withdrawn by their publisher, or lost on the way to us."""

from __future__ import annotations

from datetime import date

import polars as pl

from cbi_pipeline.feeds import IncompleteResponse
from cbi_pipeline.feeds.live import LiveFeed, Pull
from cbi_pipeline.ingest._held import CELL, Held
from cbi_pipeline.ingest._spool import Spool

#: Of the periods a pull asks for again, the most that may be gone at once before the answer is
#: doubted; publishers withdraw single days.
GONE_LIMIT, FEW_GONE = 0.2, 3


def gone_cells(expected: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Expected cells that are not there, and of which series too many are gone to believe it.

    Args:
        expected: series_id and period of the cells that are held.
        rows: series_id and period of those that came.

    Returns:
        The cells, and series_id, gone and held of each series that is doubted.
    """
    gone = expected.join(rows, on=CELL, how="anti")
    share = (
        gone.group_by("series_id")
        .len("gone")
        .join(expected.group_by("series_id").len("held"), on="series_id")
    )
    limit = pl.max_horizontal(pl.col("held") * GONE_LIMIT, pl.lit(FEW_GONE))
    empty = (pl.col("gone") == pl.col("held")) & (pl.col("held") > 1)
    return gone, share.filter((pl.col("gone") > limit) | empty)


def absences(rows: Spool, pull: Pull, held: Held) -> dict[date, tuple[str, ...]]:
    """Series by each period of theirs that is held and did not come, as far as it is believable.

    Args:
        rows: what came.
        pull: what was asked.
        held: what is held.
    """
    parts = [
        gone
        for blocks, names in rows.blocks.batches(rows.sizes(), held.sizes)
        if not (gone := _believable(rows.take(blocks), names, pull, held)).is_empty()
    ]
    if not parts:
        return {}
    days = pl.concat(parts).group_by("period").agg(pl.col("series_id").sort()).sort("period")
    return {period: tuple(names) for period, names in days.iter_rows()}


def _believable(rows: pl.DataFrame, names: tuple[str, ...], pull: Pull, held: Held) -> pl.DataFrame:
    gone, lost = gone_cells(held.cells(names).within(pull).select(CELL), rows.select(CELL))
    return gone.join(lost, on="series_id", how="anti")


def questions(feed: LiveFeed, landed: Spool, pull: Pull, held: Held) -> list[Pull]:
    """What to ask again, each period alone, before it is believed that it was withdrawn."""
    if feed.alone is None or held.sizes.keys().isdisjoint(pull.series):
        return []
    return [feed.alone(names, period) for period, names in absences(landed, pull, held).items()]


def require_absent(pull: Pull, alone: Pull, rows: pl.DataFrame, feed: str) -> None:
    """Check that a period which an answer lacked does not come when it is asked for alone.

    Args:
        pull: what was asked first.
        alone: the question for that period alone.
        rows: series_id and period of what came then.
        feed: name of the feed.

    Raises:
        IncompleteResponse: it comes, so the first answer was not all there is.
    """
    came = rows.filter(pl.col("series_id").is_in(alone.series), period=alone.first)
    if came.is_empty():
        return
    raise IncompleteResponse(
        feed,
        f"{pull.name}: {alone.first} of {came['series_id'].sort()[0]} was not in the answer, "
        "and comes when it is asked for alone",
        "Nothing of this pull was used; the next run asks again",
    )
