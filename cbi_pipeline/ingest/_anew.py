"""Ingestions judged anew: by today's rules in the place of the verdicts that were recorded.

What was refused by a rule that has been mended is let in, and what today's rules refuse is set
aside, each as if this version of the program had been there then. The new verdicts are an entry of
the ledger, so that every later rebuild repeats them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from cbi_pipeline.ingest._land import JUDGED_AS
from cbi_pipeline.ingest._replay import contracts_today
from cbi_pipeline.ingest._stage import END_OF_TIME
from cbi_pipeline.ledger import Entry
from cbi_pipeline.warehouse import Store
from data_contracts.ledger import TRANSACTION
from data_contracts.versioned import VERSIONED, VersionedTable

#: What stands in the place of a feed where ingestions were judged anew.
RULES = "rules"
#: Rows and values that are shown of each kind of change.
_SHOWN = 3
_CELL = ["series_id", "period"]
_ROW = [*_CELL, "rule", "value"]


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
        return cls(pl.concat(_newest(store, table) for table in VERSIONED), aside)


def _newest(store: Store, table: VersionedTable) -> pl.DataFrame:
    rows = store.as_of(END_OF_TIME, table=table)
    return table.sized(rows).select(
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
        *_rows(before.aside, after.aside, "set aside no longer by"),
        *_rows(after.aside, before.aside, "set aside by"),
        *_values(before.values, after.values),
    )


def recorded_verdicts(entries: Sequence[Entry]) -> list[Entry]:
    """Entries with the verdicts that hold of them: their own, or those of the newest judgement."""
    anew = next((one for one in reversed(entries) if is_anew(one)), None)
    if anew is None:
        return list(entries)
    given: Mapping[str, list[dict[str, Any]]] = anew.question["refused"]
    judged_as: Mapping[str, str] = anew.question["judged_as"]
    return [
        replace(unjudged(one, judged_as), refused=given.get(str(one.txn_id), []))
        if one.txn_id <= anew.question["until"]
        else one
        for one in entries
    ]


def unjudged(entry: Entry, judged_as: Mapping[str, str] = JUDGED_AS) -> Entry:
    """An entry as if a night were judged so, by default as today's are; nothing is refused yet."""
    if entry.question["kind"] != "night":
        return replace(entry, refused=[])
    return replace(entry, refused=[], question={**entry.question, **judged_as})


def is_anew(entry: Entry) -> bool:
    """Whether an entry is of ingestions that were judged anew."""
    return bool(entry.question["kind"] == RULES)


def judged_until(entries: Sequence[Entry]) -> int:
    """Number of the newest ingestion whose recorded state no longer holds; 0 where each does."""
    return max((one.question["until"] for one in entries if is_anew(one)), default=0)


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
        "refused": {str(one.txn_id): one.refused for one in entries if one.refused},
    }
    contracts = {name: v for one in entries for name, v in contracts_today(one).items()}
    state = write_judgement(store, now, until + 1)
    return Entry(until + 1, RULES, now, question, contracts, state=state)


def write_judgement(store: Store, seen_at: datetime, txn_id: int) -> str:
    """Write the transaction of a judgement, which itself changes nothing; gives the state."""
    state = store.state(END_OF_TIME, store.table("ref.series")["series_id"].to_list())
    row = {
        "txn_id": txn_id,
        "feed": RULES,
        "seen_at": seen_at,
        "response_ids": [],
        "state_before": state,
        "state_after": state,
        **dict.fromkeys(("parsed", "accepted", "added", "quarantined", "duplicates"), 0),
        "ignored": 0,
    }
    store.append("ledger.txn", pl.DataFrame([row], schema=TRANSACTION.dtypes))
    return state


def _rows(there: pl.DataFrame, here: pl.DataFrame, what: str) -> Iterator[str]:
    """Rows that lie in one quarantine and not in the other, by rule."""
    moved = there.join(here, on=_ROW, how="anti", nulls_equal=True)
    for (rule,), rows in moved.group_by("rule", maintain_order=True):
        shown = [
            f"{series} {period or 'without a period'} {value or 'empty'}"
            for series, period, _, value in rows.head(_SHOWN).iter_rows()
        ]
        yield f"{_number(len(rows), 'row')} {what} the rule {rule}: {_listed(shown, len(rows))}"


def _values(before: pl.DataFrame, after: pl.DataFrame) -> Iterator[str]:
    met = before.join(after, on=_CELL, how="full", suffix="_now", coalesce=True).sort(_CELL)
    same = pl.col("content").eq_missing(pl.col("content_now"))
    moved = met.filter(~same)
    for (series,), rows in moved.group_by("series_id", maintain_order=True):
        shown = [
            f"{period} {_text(then)} to {_text(now)}"
            for period, then, now in rows.head(_SHOWN)
            .select("period", "value", "value_now")
            .iter_rows()
        ]
        yield f"{_number(len(rows), 'value')} of {series} changed: {_listed(shown, len(rows))}"
    redated = met.filter(
        same,
        pl.col("available_at").ne_missing(pl.col("available_at_now")),
    )
    for (series,), rows in redated.group_by("series_id", maintain_order=True):
        shown = [
            f"{period} from {then:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC"
            for period, then, now in rows.head(_SHOWN)
            .select("period", "available_at", "available_at_now")
            .iter_rows()
        ]
        yield f"{_number(len(rows), 'value')} of {series} dated anew: {_listed(shown, len(rows))}"


def _listed(shown: Sequence[str], number: int) -> str:
    more = f" and {number - len(shown)} more" if number > len(shown) else ""
    return ", ".join(shown) + more


def _number(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def _text(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"
