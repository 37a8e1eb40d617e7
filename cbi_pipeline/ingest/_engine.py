"""Fetch, land, parse, screen, commit: the same steps for every feed.

Bytes are in the ledger before anything reads them, all parsing and screening happens outside the
database, and one short transaction writes the outcome. Running again on the same bytes under the
same contracts writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from cbi_pipeline.feeds import Feed, Parsed, Request
from cbi_pipeline.ingest._refusals import as_refusals, describe_refusals
from cbi_pipeline.ingest._screen import NO_REFUSALS, REFUSAL, Screened, SeriesMeta, screen
from cbi_pipeline.ledger import Entry, Ledger, Response
from cbi_pipeline.warehouse import NothingPublished, Recorded, Store, Warehouse
from data_contracts.families import family
from data_contracts.ledger import TRANSACTION
from data_contracts.observation import QUARANTINE
from data_contracts.reference import RELEASE
from data_contracts.shape import findings
from data_contracts.table_rules import (
    RuleOutcome,
    quarantined_share,
    series_present,
    shape_outcomes,
)

#: Later than any knowledge time: the state of everything accepted.
END_OF_TIME = datetime.fromisoformat("9999-12-31T00:00:00+00:00")


class TableRuleBroken(RuntimeError):
    """A rule about the whole delivery is broken; nothing of it was used."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One answer as it arrived."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A delivery parsed and screened, not yet written.

    Attributes:
        parts: each response with its parse and its screening, oldest vintage first.
        outcomes: what the table rules found.
        known_until: no row claims to have been public after this instant.
    """

    parts: tuple[tuple[Response, Parsed, Screened], ...]
    outcomes: tuple[RuleOutcome, ...]
    known_until: datetime

    @property
    def rejected(self) -> pl.DataFrame:
        """Rejected rows of all responses, one line per broken rule."""
        return pl.concat(part.rejected for _, _, part in self.parts)


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one ingestion did; counts are rows.

    Attributes:
        changed: False when the same bytes had been ingested before and nothing was written.
        newest: newest accepted period per series family.
        withdrawn: of the versions added, those that say that a period is gone.
        refusals: rows of a file that were set aside, in words.
        notices: what a person should know although nothing is lost.
    """

    feed: str
    changed: bool
    txn_id: int
    parsed: int
    accepted: int
    added: int
    quarantined: int
    duplicates: int
    ignored: int
    state: str
    newest: Mapping[str, date]
    withdrawn: int = 0
    refusals: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def land(
    feed: Feed, ledger: Ledger, fetch: Callable[[Request], Fetched], now: datetime
) -> tuple[Response, ...]:
    """Fetch everything the feed asks for and store the bytes."""
    landed = []
    for request in feed.requests():
        answer = fetch(request)
        landed.append(
            ledger.land(
                feed=feed.name,
                url=request.url,
                body=answer.body,
                status=answer.status,
                headers=answer.headers,
                fetched_at=now,
            )
        )
    return tuple(landed)


def prepare(
    feed: Feed,
    responses: Sequence[Response],
    ledger: Ledger,
    series: pl.DataFrame,
    known_until: datetime,
    refused: pl.DataFrame = NO_REFUSALS,
) -> Prepared:
    """Parse and screen landed responses.

    Args:
        feed: the feed whose parser reads them.
        responses: responses to use.
        ledger: where their bytes lie.
        series: rows of ``ref.series`` for the followed series.
        known_until: no row may claim to have been public after this instant.
        refused: rows set aside when the responses were first judged; they stay so.
    """
    metas = {
        row["series_id"]: SeriesMeta(row["family"], row["unit"], feed.spans.get(row["series_id"]))
        for row in series.iter_rows(named=True)
    }
    parts = []
    for response in responses:
        parsed = feed.parse(response.url, ledger.body(response))
        before = refused.filter(pl.col("response_id") == response.response_id)
        parts.append((response, parsed, screen(parsed.frame, metas, known_until, before)))
    # Vintages of one series must be recorded in the order the public saw them.
    parts.sort(key=lambda part: (_oldest_vintage(part[1].frame), part[0].url))
    every = pl.concat(parsed.frame for _, parsed, _ in parts)
    good = pl.concat(screened.good for _, _, screened in parts)
    rejected = pl.concat(
        screened.rejected.unique("row").select("series_id") for _, _, screened in parts
    )
    outcomes = (
        quarantined_share(every.select("series_id"), rejected),
        series_present(good, list(metas)),
        *shape_outcomes(_findings(parts, metas)),
    )
    return Prepared(tuple(parts), outcomes, known_until)


def _findings(
    parts: Sequence[tuple[Response, Parsed, Screened]], metas: Mapping[str, SeriesMeta]
) -> pl.DataFrame:
    numbered = [
        (screened, pl.lit(number).alias("part")) for number, (*_, screened) in enumerate(parts)
    ]
    return findings(
        pl.concat(one.good.select(part, "series_id", "period", "value") for one, part in numbered),
        pl.concat(one.rejected.unique("row").select(part, "series_id") for one, part in numbered),
        {name: family(meta.family).shape for name, meta in metas.items()},
    )


def require(prepared: Prepared) -> None:
    """Stop when a table rule is broken.

    Raises:
        TableRuleBroken: names every broken rule with its finding, and the rows that were refused.
    """
    broken = [f"{one.rule}: {one.detail}" for one in prepared.outcomes if not one.passed]
    if broken:
        refused = describe_refusals(prepared.rejected)
        raise TableRuleBroken("; ".join([*broken, *refused]) + ". Nothing of it was used")


def commit(
    feed: Feed,
    prepared: Prepared,
    ledger: Ledger,
    warehouse: Warehouse,
    series: pl.DataFrame,
    seen_at: datetime,
    believable: Callable[[Store], bool] | None = None,
) -> IngestReport:
    """Write a prepared delivery in one transaction and publish it; nothing when nothing is new.

    ``believable`` says whether held periods are to be withdrawn although the same bytes came last,
    and raises when that makes the delivery hard to believe.

    Raises:
        BehindLedger, AheadOfLedger, LedgerDamaged: warehouse and ledger do not belong together.
    """
    standing = _standing(warehouse, feed, prepared, series, believable)
    if standing is not None:
        return standing
    with warehouse.write() as store, ledger.transaction(store) as txn_id:
        if believable is not None:
            believable(store)
        report = write_files(store, feed.name, prepared, ledger, series, seen_at, txn_id)
        ledger.log(_entry(feed, report, prepared, series, seen_at))
    warehouse.publish()
    return report


def _standing(
    warehouse: Warehouse,
    feed: Feed,
    prepared: Prepared,
    series: pl.DataFrame,
    believable: Callable[[Store], bool] | None,
) -> IngestReport | None:
    # The newest transaction already used exactly these bytes under exactly these contracts.
    try:
        with warehouse.read() as store:
            last = store.table("ledger.txn", "feed = ?", [feed.name]).sort("txn_id").tail(1)
            known = store.table("ref.series")
            if believable is not None and believable(store):
                return None
    except NothingPublished:
        return None
    used = sorted(response.response_id for response, _, _ in prepared.parts)
    if last.is_empty() or sorted(last["response_ids"][0]) != used:
        return None
    if len(series.join(known, on=list(series.columns), how="anti")):
        return None
    row = last.drop("feed", "seen_at", "response_ids", "state_before").row(0, named=True)
    state = row.pop("state_after")
    return IngestReport(
        feed=feed.name,
        changed=False,
        state=state,
        newest=_newest(prepared, series),
        refusals=describe_refusals(prepared.rejected),
        **row,
    )


def write_files(
    store: Store,
    feed: str,
    prepared: Prepared,
    ledger: Ledger,
    series: pl.DataFrame,
    seen_at: datetime,
    txn_id: int,
) -> IngestReport:
    """Write a prepared delivery inside the running transaction, which the ledger numbered."""
    store.replace("ref.series", series)
    followed = store.table("ref.series")["series_id"].to_list()
    before = store.state(END_OF_TIME, followed)
    known = store.table("ledger.response")["response_id"].implode()
    used = ledger.frame(response for response, _, _ in prepared.parts)
    store.append("ledger.response", used.filter(~pl.col("response_id").is_in(known)))
    recorded = [_record(store, part, seen_at, txn_id) for part in prepared.parts]
    withdrawn = sum(one.withdrawn for one in recorded)
    added = sum(one.added for one in recorded) + withdrawn
    _release(store, prepared, series)
    _quarantine(store, feed, refusals(feed, prepared, series), seen_at, txn_id)
    after = store.state(END_OF_TIME, followed)
    counts = _counts(prepared) | {"added": added}
    row = {
        "txn_id": txn_id,
        "feed": feed,
        "seen_at": seen_at,
        "response_ids": used["response_id"].to_list(),
        "state_before": before,
        "state_after": after,
        **counts,
    }
    store.append("ledger.txn", pl.DataFrame([row], schema=TRANSACTION.dtypes))
    return IngestReport(
        feed=feed,
        changed=True,
        txn_id=txn_id,
        state=after,
        newest=_newest(prepared, series),
        withdrawn=withdrawn,
        refusals=describe_refusals(prepared.rejected),
        notices=(),
        **counts,
    )


def _entry(
    feed: Feed, report: IngestReport, prepared: Prepared, series: pl.DataFrame, seen_at: datetime
) -> Entry:
    return Entry(
        txn_id=report.txn_id,
        feed=report.feed,
        seen_at=seen_at,
        question={
            "kind": "files",
            "responses": [response.response_id for response, _, _ in prepared.parts],
            "known_until": prepared.known_until.isoformat(),
            "series": series.to_dicts(),
            "spans": {name: list(map(str, span)) for name, span in feed.spans.items()},
            "adds": feed.adds,
        },
        contracts=versions_of(series),
        refused=refusals(report.feed, prepared, series).select(list(REFUSAL)).to_dicts(),
        state=report.state,
    )


def versions_of(series: pl.DataFrame) -> dict[str, str]:
    """Contract version of each family of some rows of ``ref.series``."""
    return dict(series.select("family", "contract_version").unique().sort("family").iter_rows())


def _record(
    store: Store, part: tuple[Response, Parsed, Screened], seen_at: datetime, txn_id: int
) -> Recorded:
    response, parsed, screened = part
    rows = screened.good.with_columns(response_id=pl.lit(response.response_id))
    # A row set aside is not a row withdrawn: such a series says nothing about absent periods.
    doubtful = set(screened.rejected["series_id"])
    return store.record(
        rows,
        seen_at=seen_at,
        txn_id=txn_id,
        complete=[name for name in parsed.complete if name not in doubtful],
    )


def _release(store: Store, prepared: Prepared, series: pl.DataFrame) -> None:
    good = pl.concat(screened.good for _, _, screened in prepared.parts)
    releases = (
        good.join(series.select("series_id", "family"), on="series_id")
        .sort("available_at")
        .group_by("family", "period", maintain_order=True)
        .first()
        .select("family", "period", released_at="available_at", basis="available_basis")
        .select(list(RELEASE.dtypes))
    )
    store.replace("ref.release", releases)


def refusals(feed: str, prepared: Prepared, series: pl.DataFrame) -> pl.DataFrame:
    """Rejected rows as open rows of ``quarantine.row``, but for transaction and instant."""
    versions = dict(series.select("series_id", "contract_version").iter_rows())
    parts = [
        screened.rejected.with_columns(response_id=pl.lit(response.response_id))
        for response, _, screened in prepared.parts
    ]
    return as_refusals(feed, pl.concat(parts), versions)


def _quarantine(
    store: Store, feed: str, rejected: pl.DataFrame, seen_at: datetime, txn_id: int
) -> None:
    standing = store.table("quarantine.row", "feed = ? AND fate = 'open'", [feed])
    key = list(QUARANTINE.key)
    # What an earlier delivery left open and this one no longer contains has been superseded.
    gone = standing.join(rejected, on=key, how="anti").with_columns(fate=pl.lit("superseded"))
    fresh = rejected.join(standing, on=key, how="anti").with_columns(
        txn_id=pl.lit(txn_id, pl.Int64), seen_at=pl.lit(seen_at, pl.Datetime("us", "UTC"))
    )
    columns = list(QUARANTINE.dtypes)
    store.replace("quarantine.row", pl.concat([gone.select(columns), fresh.select(columns)]))


def _counts(prepared: Prepared) -> dict[str, int]:
    return {
        "parsed": sum(len(parsed.frame) for _, parsed, _ in prepared.parts),
        "accepted": sum(len(screened.good) for _, _, screened in prepared.parts),
        "quarantined": sum(
            screened.rejected["row"].n_unique() for _, _, screened in prepared.parts
        ),
        "duplicates": sum(screened.duplicates for _, _, screened in prepared.parts),
        "ignored": sum(sum(parsed.ignored.values()) for _, parsed, _ in prepared.parts),
    }


def _newest(prepared: Prepared, series: pl.DataFrame) -> dict[str, date]:
    good = pl.concat(screened.good for _, _, screened in prepared.parts)
    newest = (
        good.filter(pl.col("status") == "value")
        .join(series.select("series_id", "family"), on="series_id")
        .group_by("family")
        .agg(pl.col("period").max())
        .sort("family")
    )
    return dict(newest.iter_rows())


def _oldest_vintage(frame: pl.DataFrame) -> datetime:
    oldest: datetime | None = frame["available_at"].min()  # type: ignore[assignment]
    return oldest or END_OF_TIME
