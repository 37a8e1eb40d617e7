"""Screening: the rows of a landed pull, each dated and judged by the rules of its family.

Rows that keep them are good, exact repeats are dropped, the rest is set aside with a reason each.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

import polars as pl

from cbi_pipeline.feeds import Series, Source
from cbi_pipeline.ingest._stage import LOCATION, LandedPull
from cbi_pipeline.ingest._stored import Stored, Stretch
from cbi_pipeline.ledger import Response
from data_contracts.core import UTC_MICROSECONDS
from data_contracts.decision import decision_at
from data_contracts.families import family
from data_contracts.keys import keys_are_unique
from data_contracts.observation import QUARANTINE
from data_contracts.split import REJECTED_SCHEMA, RowRule, split
from data_contracts.table_rules import QUARANTINE_LIMIT
from data_contracts.versioned import OBSERVATIONS, VersionedTable

#: A row set aside: where it stands, the rule and value that did it, and the contract's version.
REFUSAL = {
    name: QUARANTINE.dtypes[name]
    for name in ("response_id", "locator", "rule", "column_name", "value", "contract_version")
}
NO_REFUSALS = pl.DataFrame(schema=REFUSAL)
#: A few rows may be refused whatever their share: windows are short.
_FEW_REFUSED = 2
#: Later than any day or instant, counted as either is.
_FOREVER = 2**62


@dataclass(frozen=True, slots=True)
class Screened:
    """Rows of some series of an answer, in a stretch of periods, screened.

    Attributes:
        series: the series.
        good: parsed rows that may be recorded.
        rejected: rejected rows, one line per broken rule, with the parsed columns beside
            ``rule``, ``column_name``, ``offending`` and ``contract_version``, null unless the row
            was refused before.
        duplicates: exact repeats dropped.
        shares: series_id, rows and refused: how many rows each series has, and how many of them
            are rejected.
        stretch: the periods.
    """

    series: tuple[str, ...]
    good: pl.DataFrame
    rejected: pl.DataFrame
    duplicates: int
    shares: pl.DataFrame
    stretch: Stretch = Stretch()  # noqa: RUF009  (frozen)


def screen_pull(
    feed: Source, landed: LandedPull, stored: Stored, now: datetime, refused: pl.DataFrame
) -> Iterator[Screened]:
    """Date and screen the rows of a landed pull, as many at a time as are not too many.

    Args:
        feed: feed that was asked.
        landed: what came.
        stored: what was stored when it came.
        now: when it came.
        refused: rows set aside when it was first judged.
    """
    asked = {series.id: series for series in feed.series}
    for series, stretch, parsed in landed.batches(feed, stored):
        rows = parsed if feed.closed else _date_rows(feed, landed, stored, parsed, now)
        if not landed.as_answered:
            # A service may send the newest first; no rule about a series reads the order of an
            # answer that is proven whole.
            rows = rows.sort(feed.table.cell, maintain_order=True)
        followed = {name: asked[name] for name in series if name in asked}
        screened = screen(rows, followed, feed.closed or now, refused, feed.table)
        yield replace(screened, good=_identify(screened.good, feed), stretch=stretch)


def find_refused_series(
    feed: Source, shares: Iterable[pl.DataFrame]
) -> Mapping[str, tuple[int, int]]:
    """Series of which too many rows are refused to use the others: refused and all rows.

    Args:
        feed: where the rows are from.
        shares: as of :class:`Screened`, of each stretch.
    """
    if feed.service is None:
        # A file is used whole or not at all: that is for the rules about the delivery to say.
        return {}
    limit = pl.max_horizontal(pl.col("rows") * QUARANTINE_LIMIT, pl.lit(_FEW_REFUSED))
    over = (pl.col("refused") > limit) | (pl.col("refused") == pl.col("rows"))
    return {name: (few, rows) for name, rows, few in sum_shares(shares).filter(over).iter_rows()}


def sum_shares(shares: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """How many rows each series has, and how many of them are rejected, in all stretches."""
    return pl.concat(shares).group_by("series_id").sum().sort("series_id")


def _identify(good: pl.DataFrame, feed: Source) -> pl.DataFrame:
    """Rows with what their table keys each series by."""

    def read_dimension(key: str) -> pl.Expr:
        names = {series.id: series.dimensions[key] for series in feed.series}
        return pl.col("series_id").replace_strict(names, return_dtype=pl.String).alias(key)

    return good.with_columns(map(read_dimension, feed.table.identity))


def _date_rows(
    feed: Source, landed: LandedPull, stored: Stored, parsed: pl.DataFrame, now: datetime
) -> pl.DataFrame:
    """Replace each release by rule with what can be claimed of it now.

    On the first load of a series the rule is all there is, and the row says ``assumed``. Later a
    value is dated by its schedule only when it was seen by the next decision; one that came late,
    or was missed, is known since it was seen. The hour at which the publisher changed the file
    stands in the place of the rule where it lies between the rule and now, and no decision lies
    between it and now. A period that lies ahead keeps its rule and is refused.
    """
    instant = pl.lit(now).dt.cast_time_unit("us")
    rule, today = pl.col("available_at"), now.astimezone(feed.zone).date()
    loading = ~pl.col("series_id").is_in(list(stored.sizes)) & (rule <= instant)
    # Dated before a decision that was made without it, it would be claimed to have been known.
    punctual = (rule <= instant) & (instant <= decision_at(rule))
    seen = pl.col("period") <= today
    stamp = _read_stamps(feed, landed, stored)
    stamped = (rule <= stamp) & (stamp <= instant) & (instant <= decision_at(stamp))
    return parsed.with_columns(
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


def _read_stamps(feed: Source, landed: LandedPull, stored: Stored) -> pl.Expr:
    """When its publisher last changed the file a row came in, of rows that this may date."""
    changed = {response.response_id: _read_changed(response) for response in landed.responses}
    if not landed.stamped or not any(changed.values()) or not stored.newest:
        return pl.lit(None, UTC_MICROSECONDS)
    stamped = [series.id for series in feed.series if family(series.family).stamped]
    # What is stored may be corrected in the same file, and was public before.
    newest = pl.col("series_id").replace_strict(stored.newest, default=None, return_dtype=pl.Date)
    newer = pl.col("series_id").is_in(stamped) & (pl.col("period") > newest)
    stamp = pl.col("response_id").replace_strict(changed, return_dtype=UTC_MICROSECONDS)
    return pl.when(newer).then(stamp)


def _read_changed(response: Response) -> datetime | None:
    """When the file behind an answer was last changed; None where its publisher does not say it."""
    try:
        at = parsedate_to_datetime(json.loads(response.headers)["last-modified"])
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (KeyError, ValueError, OverflowError):
        return None


def screen(
    parsed: pl.DataFrame,
    series: Mapping[str, Series],
    known_until: datetime,
    refused: pl.DataFrame = NO_REFUSALS,
    table: VersionedTable = OBSERVATIONS,
) -> Screened:
    """Screen one response's rows.

    Args:
        parsed: frame with the columns of the table's parsed contract, ``period`` and
            ``response_id``.
        series: followed series; rows of any other are set aside.
        known_until: no row may claim to have been public after this instant.
        refused: rows that were set aside when they were first judged and stay so whatever today's
            rules say (columns of ``REFUSAL``).
        table: table that they are rows of.
    """
    parsed = parsed.with_row_index("row")
    followed = pl.col("series_id").is_in(list(series))
    goods, reasons = [], [_reject(parsed.filter(~followed), "known_series", "series_id")]
    for (name, unit, span), members in _group_alike(series.values()).items():
        part = parsed.filter(pl.col("series_id").is_in(members))
        good, rejected = _split(table, part, family(name).rules(unit, known_until, span, table))
        goods.append(good)
        reasons.append(rejected)
    good, conflicts, duplicates = _resolve_repeats(table, pl.concat(goods).sort("row"))
    before = refused.join(parsed.select("row", *LOCATION), on=LOCATION)
    stays = before.join(good, on="row", how="semi").select(conflicts.columns)
    good = good.join(stays, on="row", how="anti", maintain_order="left")
    closed = [name for name, followed in series.items() if followed.span]
    good, strays = _reject_strays(table, good, closed)
    rejected = pl.concat([*reasons, conflicts, strays, stays]).join(
        before.select("row", "rule", "contract_version"), on=["row", "rule"], how="left"
    )
    return Screened(
        series=tuple(series),
        good=good.drop("row"),
        rejected=rejected.rename({"value": "offending"})
        .join(parsed, on="row", how="left")
        .sort("row", maintain_order=True),
        duplicates=duplicates,
        shares=_count_shares(parsed, rejected["row"].unique()),
    )


def _count_shares(parsed: pl.DataFrame, refused: pl.Series) -> pl.DataFrame:
    is_refused = pl.col("row").is_in(refused.implode())
    return parsed.group_by("series_id").agg(rows=pl.len(), refused=is_refused.sum())


def _group_alike(
    series: Iterable[Series],
) -> dict[tuple[str, str, tuple[date, date] | None], list[str]]:
    """Series that keep the same rules: ids by family, unit and span."""
    groups: dict[tuple[str, str, tuple[date, date] | None], list[str]] = {}
    for member in sorted(series, key=lambda member: (member.family, member.unit)):
        groups.setdefault((member.family, member.unit, member.span), []).append(member.id)
    return groups


def _split(
    table: VersionedTable, part: pl.DataFrame, rules: list[RowRule]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    # The columns that landing added are none of the contract's; a further one of a parser is.
    extra = {"row", "period", "response_id"} - table.parsed.dtypes.keys()
    outcome = split(part.drop(extra), table.parsed, rules)
    if outcome.rejected.is_empty():
        return part, outcome.rejected
    positions = part.get_column("row")
    rejected = outcome.rejected.with_columns(row=positions.gather(outcome.rejected["row"]))
    return part.filter(~pl.col("row").is_in(rejected["row"].implode())), rejected


def _resolve_repeats(
    table: VersionedTable, rows: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    cell = table.cell
    if keys_are_unique(rows, cell):
        return rows, _reject(rows.clear(), "conflicting_duplicate", table.text), 0
    # Equal repeats say nothing new; unequal ones cannot be told apart, so none of them is used.
    content = pl.struct(table.content)
    rows = rows.with_columns(different=content.n_unique().over(cell))
    conflicting = rows.filter(pl.col("different") > 1).drop("different")
    agreeing = rows.filter(pl.col("different") == 1).drop("different")
    kept = agreeing.unique(subset=cell, keep="first", maintain_order=True)
    conflicts = _reject(conflicting, "conflicting_duplicate", table.text)
    return kept, conflicts, len(agreeing) - len(kept)


def _reject_strays(
    table: VersionedTable, rows: pl.DataFrame, closed: Collection[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows without those of closed records that stand among others in order and are out of it."""
    ours = rows.filter(pl.col("series_id").is_in(closed))
    time = pl.col(table.time).to_physical().cast(pl.Int64)
    before = time.shift(1, fill_value=-_FOREVER).over("series_id")
    after = time.shift(-1, fill_value=_FOREVER).over("series_id")
    # Where the rows around are out of order themselves, nothing tells which of them strayed: that
    # is for the rule about the whole delivery to say.
    stray = (before < after) & ~time.is_between(before, after, closed="none")
    strays = _reject(ours.filter(stray), "in_order", table.time)
    return rows.join(strays, on="row", how="anti", maintain_order="left"), strays


def _reject(rows: pl.DataFrame, rule: str, column: str) -> pl.DataFrame:
    return rows.select(
        pl.col("row"),
        rule=pl.lit(rule),
        column_name=pl.lit(column),
        value=pl.col(column).cast(pl.String),
    ).cast(REJECTED_SCHEMA)
