"""The rows of a landed pull, dated and screened, some series at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import polars as pl

from cbi_pipeline.feeds import Answer, Source
from cbi_pipeline.ingest._screen import Screened, screen
from cbi_pipeline.ingest._stage import LandedPull
from cbi_pipeline.ledger import Ledger, Response
from data_contracts.core import UTC_MICROSECONDS
from data_contracts.decision import decision_at
from data_contracts.families import family
from data_contracts.table_rules import QUARANTINE_LIMIT

#: A few rows may be refused whatever their share: windows are short.
FEW_REFUSED = 2


def read_pull(
    feed: Source,
    landed: LandedPull,
    held: Mapping[str, int],
    newest: Mapping[str, date],
    now: datetime,
    refused: pl.DataFrame,
) -> Iterator[Screened]:
    """Date and screen the rows of a landed pull, as many series at a time as are not too much.

    Args:
        feed: feed that was asked.
        landed: what came.
        held: versions held of each series of which something was held when it came.
        newest: newest period of each that was held then.
        now: when it came.
        refused: rows set aside when it was first judged.
    """
    asked = {one.id: one for one in feed.series}
    for group, series in landed.rows.blocks.batches(landed.rows.sizes(), held):
        parsed = landed.rows.take(group)
        if feed.closed is None:
            changed = _changed(parsed, feed, landed, newest)
            parsed = _dated(parsed, changed, list(held), now, feed.zone)
        if not landed.as_answered:
            # A service may send the newest first; no rule about a series reads the order of an
            # answer that is proven whole.
            parsed = parsed.sort(feed.table.cell, maintain_order=True)
        followed = {name: asked[name] for name in series if name in asked}
        screened = screen(parsed, followed, feed.closed or now, refused, feed.table)
        # A file is used whole or not at all: that is for the rules about the delivery to say.
        doubted = _refused_series(parsed, screened) if feed.service is not None else {}
        good = screened.good.filter(~pl.col("series_id").is_in(doubted))
        yield replace(screened, good=_identified(good, feed), doubted=doubted)


def answer_of(response: Response, ledger: Ledger) -> Answer:
    """A landed answer as the feed reads it."""
    headers = json.loads(response.headers)
    return Answer(response.url, response.status, headers, ledger.body(response))


def sourced(
    rejected: pl.DataFrame, feed: Source, landed: LandedPull, ledger: Ledger
) -> pl.DataFrame:
    """Rejected rows with the source rows behind them, read again from the ledger."""
    place = ["response_id", "locator"]
    wanted = rejected.select(place).unique()
    doubted = set(wanted["response_id"])
    sources = [
        feed.parse(answer_of(response, ledger))
        .sourced.select(pl.lit(response.response_id).alias("response_id"), "locator", "row_json")
        .join(wanted, on=place, how="semi")
        for response in landed.responses
        if response.response_id in doubted
    ]
    if not sources:
        return rejected
    found = rejected.drop("row_json").join(
        pl.concat(sources), on=place, how="left", maintain_order="left"
    )
    return found.select(rejected.columns)


def _identified(good: pl.DataFrame, feed: Source) -> pl.DataFrame:
    """Rows with what their table keys each series by."""

    def named(key: str) -> pl.Expr:
        names = {one.id: one.dimensions[key] for one in feed.series}
        return pl.col("series_id").replace_strict(names, return_dtype=pl.String).alias(key)

    return good.with_columns(map(named, feed.table.identity))


def _changed(
    parsed: pl.DataFrame, feed: Source, landed: LandedPull, newest: Mapping[str, date]
) -> pl.Series:
    """When its publisher last changed the file a row came in, of rows that this may date."""
    if not any(landed.changed) or not newest:
        return pl.Series("changed", [None] * len(parsed), dtype=UTC_MICROSECONDS)
    ids = [response.response_id for response in landed.responses]
    changed = dict(zip(ids, landed.changed, strict=True))
    stamped = [one.id for one in feed.series if family(one.family).stamped]
    # What is held may be corrected in the same file, and was public before.
    held = pl.col("series_id").replace_strict(newest, default=None, return_dtype=pl.Date)
    newer = pl.col("series_id").is_in(stamped) & (pl.col("period") > held)
    stamp = pl.col("response_id").replace_strict(changed, return_dtype=UTC_MICROSECONDS)
    return parsed.select(pl.when(newer).then(stamp).alias("changed")).to_series()


def _dated(
    parsed: pl.DataFrame, changed: pl.Series, loaded: Sequence[str], now: datetime, zone: ZoneInfo
) -> pl.DataFrame:
    """Replace each release by rule with what can be claimed of it now.

    On the first load of a series the rule is all there is, and the row says ``assumed``. Later a
    value is dated by its schedule only when it was seen by the next decision; one that came late,
    or was missed, is known since it was seen. The hour at which the publisher changed the file
    stands in the place of the rule where it lies between the rule and now, and no decision lies
    between it and now. A period that lies ahead keeps its rule and is refused.
    """
    instant = pl.lit(now).dt.cast_time_unit("us")
    rule, today = pl.col("available_at"), now.astimezone(zone).date()
    loading = ~pl.col("series_id").is_in(loaded) & (rule <= instant)
    # Dated before a decision that was made without it, it would be claimed to have been known.
    punctual = (rule <= instant) & (instant <= decision_at(rule))
    seen = pl.col("period") <= today
    stamp = pl.col("changed")
    stamped = (rule <= stamp) & (stamp <= instant) & (instant <= decision_at(stamp))
    return (
        parsed.with_columns(changed)
        .with_columns(
            available_at=pl.when(stamped)
            .then(stamp)
            .when(loading | punctual | ~seen)
            .then(rule)
            .otherwise(instant),
            available_basis=pl.when(stamped)
            .then(pl.lit("stamp"))
            .when(loading)
            .then(pl.lit("assumed"))
            .when(punctual)
            .then(pl.lit("calendar"))
            .otherwise(pl.lit("first_seen")),
        )
        .drop("changed")
    )


def _refused_series(parsed: pl.DataFrame, screened: Screened) -> Mapping[str, tuple[int, int]]:
    """Series of which too many rows are refused to believe the rest: refused and all rows."""
    refused = screened.rejected.unique("row").group_by("series_id").len("refused")
    met = parsed.group_by("series_id").len("rows").join(refused, on="series_id")
    over = pl.col("refused") > pl.max_horizontal(
        pl.col("rows") * QUARANTINE_LIMIT, pl.lit(FEW_REFUSED)
    )
    found = met.filter(over | (pl.col("refused") == pl.col("rows")))
    return {name: (few, rows) for name, rows, few in found.iter_rows()}
