"""Replay: ingestions put together again from the ledger, asked and seen as then, judged as then.

They can also be judged anew. What was refused by a rule that has been mended is then let in, and
what today's rules refuse is set aside, each as if this version of the program had been there then.
The new verdicts are an entry of the ledger, so that every later rebuild repeats them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any

import polars as pl

from cbi_pipeline.feeds import FILE_READERS, Pull, Series, Source
from cbi_pipeline.ingest._land import (
    IN_ORDER,
    JUDGED_AS,
    JUMPS_USED,
    STAMPS_READ,
    Landed,
    sort_by_vintage,
)
from cbi_pipeline.ingest._screen import REFUSAL
from cbi_pipeline.ingest._stage import LandedPull, parse_landed
from cbi_pipeline.ingest._stored import END_OF_TIME, note_transaction, read_state
from cbi_pipeline.ledger import Entry, Ledger, LedgerDamaged, Response
from cbi_pipeline.warehouse import Store
from data_contracts.families import FAMILIES
from data_contracts.versioned import VERSIONED, VersionedTable

#: What stands in the place of a feed where ingestions were judged anew.
RULES = "rules"
#: Rows and values that are shown of each kind of change.
_SHOWN = 3
_CELL = ["series_id", "period"]
_ROW = [*_CELL, "rule", "value"]


@dataclass(frozen=True)
class Bytes:
    """Where an ingestion's bytes lie, and who can read them.

    Attributes:
        ledger: responses and their bytes.
        feeds: sources by name, beside those of files that come with the program.
    """

    ledger: Ledger
    feeds: Mapping[str, Source]

    @cached_property
    def _responses(self) -> dict[str, Response]:
        return {response.response_id: response for response in self.ledger.responses()}

    def response(self, entry: Entry, response_id: str) -> Response:
        """A response an ingestion used.

        Raises:
            LedgerDamaged: the manifest lacks it.
        """
        if response_id not in self._responses:
            raise LedgerDamaged(
                f"transaction {entry.txn_id} ({entry.feed}) used response {response_id}, which the "
                f"manifest lacks; restore {self.ledger.root} from a copy"
            )
        return self._responses[response_id]

    def feed(self, entry: Entry) -> Source:
        """The source of an ingestion, as it was then.

        Raises:
            ValueError: there is no such source any more.
        """
        kind = entry.feed.split(":")[0]
        source = FILE_READERS.get(kind) or self.feeds.get(kind)
        if source is None:
            raise ValueError(f"transaction {entry.txn_id} is of {entry.feed}, no feed there is now")
        return source if source.service is not None else _restore_files(source, entry)

    def list_refused(self, entry: Entry) -> pl.DataFrame:
        """Rows an ingestion set aside, as ``REFUSAL``."""
        return pl.DataFrame(entry.refused, schema=REFUSAL)


def read_landed(entry: Entry, source: Bytes) -> tuple[Source, Landed]:
    """Source and landed pulls of an ingestion."""
    feed, as_answered = source.feed(entry), entry.question.get("order") != IN_ORDER
    sized = entry.question.get("jumps") != JUMPS_USED
    stamped = entry.question.get("stamps") == STAMPS_READ
    pulls = []
    for pull, names in _list_pulls(feed, entry, source):
        responses = [source.response(entry, name) for name in names]
        pages = parse_landed(feed, responses, source.ledger)
        landed = LandedPull.of(
            feed,
            pull,
            source.ledger,
            pages,
            as_answered=as_answered,
            sized=sized,
            stamped=stamped,
        )
        pulls.append(landed)
    ordered = tuple(pulls) if feed.service is not None else sort_by_vintage(pulls)
    asked = dict.fromkeys(name for landed in pulls for name in landed.pull.series)
    return feed, Landed(entry.feed, entry.seen_at, ordered, asked=tuple(asked))


def list_contracts(entry: Entry) -> dict[str, str]:
    """Today's version of the contracts an ingestion was judged under, as far as they exist."""
    return {name: FAMILIES[name].version for name in entry.contracts if name in FAMILIES}


def _list_pulls(feed: Source, entry: Entry, source: Bytes) -> Iterator[tuple[Pull, list[str]]]:
    if feed.service is not None:
        yield from ((_read_pull(asked), asked["responses"]) for asked in entry.question["pulls"])
        return
    carried = tuple(series.id for series in feed.series)
    for name in entry.question["responses"]:
        url = source.response(entry, name).url
        yield Pull(url, url, carried, date.min), [name]


def _restore_files(reader: Source, entry: Entry) -> Source:
    # An entry of an earlier version of this program says neither: nothing was judged by spans, and
    # every file was a whole history.
    spans = {
        name: (date.fromisoformat(first), date.fromisoformat(last))
        for name, (first, last) in entry.question.get("spans", {}).items()
    }
    until = datetime.fromisoformat(entry.question["known_until"])
    return replace(
        reader,
        name=entry.feed,
        series=tuple(
            _read_series(row, spans.get(row["series_id"])) for row in entry.question["series"]
        ),
        closed=until if reader.closed is not None else None,
        adds=entry.question.get("adds", False),
    )


def _read_series(row: Mapping[str, Any], span: tuple[date, date] | None) -> Series:
    return Series(
        id=row["series_id"],
        code=row["series_id"],
        family=row["family"],
        name=row["name"],
        unit=row["unit"],
        frequency=row["frequency"],
        group="",
        since=date.min,
        dimensions=json.loads(row["dimensions"]),
        span=span,
        rights=row["rights"],
        origin=row["source"],
    )


def _read_pull(asked: Mapping[str, Any]) -> Pull:
    last = asked["last"]
    return Pull(
        name=asked["name"],
        url=asked["url"],
        series=tuple(asked["series"]),
        first=date.fromisoformat(asked["first"]),
        last=date.fromisoformat(last) if last else None,
    )


def apply_verdicts(entries: Sequence[Entry]) -> list[Entry]:
    """Entries with the verdicts that hold of them: their own, or those of the newest judgement."""
    anew = next((entry for entry in reversed(entries) if is_judgement(entry)), None)
    if anew is None:
        return list(entries)
    given: Mapping[str, list[dict[str, Any]]] = anew.question["refused"]
    judged_as: Mapping[str, str] = anew.question["judged_as"]
    return [
        replace(without_verdict(entry, judged_as), refused=given.get(str(entry.txn_id), []))
        if entry.txn_id <= anew.question["until"]
        else entry
        for entry in entries
    ]


def without_verdict(entry: Entry, judged_as: Mapping[str, str] = JUDGED_AS) -> Entry:
    """An entry as if a night were judged so, by default as today's are; nothing is refused yet."""
    if entry.question["kind"] != "night":
        return replace(entry, refused=[])
    return replace(entry, refused=[], question={**entry.question, **judged_as})


def is_judgement(entry: Entry) -> bool:
    """Whether an entry is of ingestions that were judged anew."""
    return bool(entry.question["kind"] == RULES)


def find_judged_until(entries: Sequence[Entry]) -> int:
    """Number of the newest ingestion whose recorded state no longer holds; 0 where each does."""
    return max((entry.question["until"] for entry in entries if is_judgement(entry)), default=0)


def note_judgement(store: Store, entries: Sequence[Entry], now: datetime) -> Entry:
    """Write the transaction of a judgement of all ingestions, and give its entry in the ledger.

    Args:
        store: the warehouse, open for writing, in which they were judged anew.
        entries: the ingestions with what was refused of them now.
        now: when they were judged.
    """
    until = entries[-1].txn_id
    question = {
        "kind": RULES,
        "until": until,
        "judged_as": JUDGED_AS,
        "refused": {str(entry.txn_id): entry.refused for entry in entries if entry.refused},
    }
    contracts = {
        name: version for entry in entries for name, version in list_contracts(entry).items()
    }
    state = write_judgement(store, now, until + 1)
    return Entry(until + 1, RULES, now, question, contracts, state=state)


def write_judgement(store: Store, seen_at: datetime, txn_id: int) -> str:
    """Write the transaction of a judgement, which itself changes nothing; gives the state."""
    state = read_state(store)
    return note_transaction(
        store, txn_id=txn_id, feed=RULES, seen_at=seen_at, before=state, counts={}
    )


@dataclass(frozen=True, slots=True)
class Content:
    """What a warehouse holds, as far as verdicts decide it.

    Attributes:
        values: series_id, period, as text, value, available_at and a hash of the content of the
            newest version of every cell.
        aside: series_id, period, rule and value of rows that lie open in quarantine.
    """

    values: pl.DataFrame
    aside: pl.DataFrame

    @classmethod
    def read(cls, store: Store) -> Content:
        """The content of an open warehouse."""
        aside = store.table("quarantine.row", "fate = 'open'").select(_ROW).unique().sort(_ROW)
        return cls(pl.concat(_read_newest(store, table) for table in VERSIONED), aside)


def _read_newest(store: Store, table: VersionedTable) -> pl.DataFrame:
    rows = store.as_of(END_OF_TIME, table=table)
    return table.select_sizes(rows).select(
        "series_id",
        pl.col("period").cast(pl.String),
        "value",
        rows["available_at"],
        content=rows.select(pl.struct(table.measured).hash()).to_series(),
    )


def describe_changes(before: Content, after: Content) -> tuple[str, ...]:
    """What another judgement changes: rules, rows and values, a line for each kind; none if equal.

    Args:
        before: what is held.
        after: what would be.
    """
    return (
        *_describe_moved(before.aside, after.aside, "set aside no longer by"),
        *_describe_moved(after.aside, before.aside, "set aside by"),
        *_describe_values(before.values, after.values),
    )


def _describe_moved(there: pl.DataFrame, here: pl.DataFrame, what: str) -> Iterator[str]:
    """Rows that lie in one quarantine and not in the other, by rule."""
    moved = there.join(here, on=_ROW, how="anti", nulls_equal=True)
    for (rule,), rows in moved.group_by("rule", maintain_order=True):
        shown = [
            f"{series} {period or 'without a period'} {value or 'empty'}"
            for series, period, _, value in rows.head(_SHOWN).iter_rows()
        ]
        yield f"{_count(len(rows), 'row')} {what} the rule {rule}: {_list_shown(shown, len(rows))}"


def _describe_values(before: pl.DataFrame, after: pl.DataFrame) -> Iterator[str]:
    met = before.join(after, on=_CELL, how="full", suffix="_now", coalesce=True).sort(_CELL)
    same = pl.col("content").eq_missing(pl.col("content_now"))
    moved = met.filter(~same)
    for (series,), rows in moved.group_by("series_id", maintain_order=True):
        shown = [
            f"{period} {_format(then)} to {_format(now)}"
            for period, then, now in rows.head(_SHOWN)
            .select("period", "value", "value_now")
            .iter_rows()
        ]
        yield f"{_count(len(rows), 'value')} of {series} changed: {_list_shown(shown, len(rows))}"
    redated = met.filter(same, pl.col("available_at").ne_missing(pl.col("available_at_now")))
    for (series,), rows in redated.group_by("series_id", maintain_order=True):
        shown = [
            f"{period} from {then:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC"
            for period, then, now in rows.head(_SHOWN)
            .select("period", "available_at", "available_at_now")
            .iter_rows()
        ]
        listed = _list_shown(shown, len(rows))
        yield f"{_count(len(rows), 'value')} of {series} dated anew: {listed}"


def _list_shown(shown: Sequence[str], number: int) -> str:
    more = f" and {number - len(shown)} more" if number > len(shown) else ""
    return ", ".join(shown) + more


def _count(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def _format(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"
