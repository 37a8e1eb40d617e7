"""Screen what a night landed: what is new, what is gone, what is set aside, what is doubted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import polars as pl

from cbi_pipeline.feeds import FeedError, IncompleteResponse, Parsed, UnexpectedShape
from cbi_pipeline.feeds.live import Answer, LiveFeed, Pull
from cbi_pipeline.ingest._faults import Fault
from cbi_pipeline.ingest._held import CELL, Held
from cbi_pipeline.ingest._night import AGENCY_ZONE, Landed, LandedPull
from cbi_pipeline.ingest._screen import NO_REFUSALS, Screened, SeriesMeta, screen
from cbi_pipeline.ingest._shape import misshapen, shape_faults
from cbi_pipeline.ledger import Ledger, Response
from data_contracts.observation import OBSERVATION
from data_contracts.table_rules import QUARANTINE_LIMIT

#: A value seen this soon after its scheduled release was public by then; seen later, only our own
#: sight of it is sure.
PUNCTUAL = timedelta(hours=20)
#: A few rows may be refused whatever their share: windows are short.
FEW_REFUSED = 2
#: Of the periods a pull asks for again, the most that may be gone at once before the answer is
#: doubted; publishers withdraw single days.
GONE_LIMIT, FEW_GONE = 0.2, 3

_ROW_COLUMNS = [name for name in OBSERVATION.dtypes if name not in ("version", "seen_at", "txn_id")]
_NO_ROWS = pl.DataFrame(schema={name: OBSERVATION.dtypes[name] for name in _ROW_COLUMNS})


@dataclass(frozen=True, slots=True)
class Judged:
    """What a night says, pull by pull and together.

    Attributes:
        rows: rows to record: changed or new values and withdrawals, one per cell.
        rejected: rejected rows, one line per broken rule, with their ``response_id``;
            None when nothing was screened.
        covered: series and periods that were asked for and answered.
        used: answers that rows were read from.
        faults: pulls and series that are not believed.
        counts: parsed, accepted, quarantined, duplicates and ignored rows.
        newest: newest accepted period per series family.
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame | None
    covered: tuple[Pull, ...]
    used: tuple[Response, ...]
    faults: tuple[Fault, ...]
    counts: Mapping[str, int]
    newest: Mapping[str, date]


@dataclass(frozen=True, slots=True)
class _Part:
    pull: Pull
    responses: tuple[Response, ...]
    parsed: int
    ignored: int
    screened: Screened
    rows: pl.DataFrame
    faults: tuple[Fault, ...]


def judge(
    feed: LiveFeed,
    landed: Landed,
    ledger: Ledger,
    held: Held,
    refused: pl.DataFrame = NO_REFUSALS,
) -> Judged:
    """Parse and screen what was landed against what is held.

    Rows named in ``refused`` were set aside when this night was first judged and stay so.
    """
    parts, faults = [], []
    for pull in landed.pulls:
        try:
            parts.append(_part(feed, pull, ledger, held, landed.at, refused))
        except FeedError as error:
            ids = [response.response_id for response in pull.responses]
            faults.append(Fault.of(error, pull.pull.name, ids))
    new = [part.rows for part in parts if len(part.rows)]
    rows = pl.concat([_NO_ROWS, *new])
    rejected = [part.screened.rejected for part in parts]
    return Judged(
        # A pull has each cell once; only several can say the same.
        rows=rows.unique(CELL, keep="last", maintain_order=True) if len(new) > 1 else rows,
        rejected=pl.concat(rejected) if rejected else None,
        covered=tuple(part.pull for part in parts),
        used=tuple(response for part in parts for response in part.responses),
        faults=(*faults, *(fault for part in parts for fault in part.faults)),
        counts=_counts(parts),
        newest=_newest(parts, feed),
    )


def answer_of(response: Response, ledger: Ledger) -> Answer:
    """A landed answer as the feed reads it."""
    headers = json.loads(response.headers)
    return Answer(response.url, response.status, headers, ledger.body(response))


def metas(feed: LiveFeed) -> dict[str, SeriesMeta]:
    """What screening must know of the feed's series."""
    return {one.id: SeriesMeta(one.family, one.unit) for one in feed.series}


def _part(
    feed: LiveFeed,
    landed: LandedPull,
    ledger: Ledger,
    held: Held,
    now: datetime,
    refused: pl.DataFrame,
) -> _Part:
    read = screen_pull(feed, landed, ledger, held.series, now, refused)
    odd = misshapen(feed, landed.pull, read.good, read.screened.rejected, held)
    good = read.good.filter(~pl.col("series_id").is_in(list(odd)))
    gone = _gone(feed, landed.pull, read.good, read.screened, held)
    gone = gone.filter(~pl.col("series_id").is_in(list(odd)))
    rows = held.news(good.select(_ROW_COLUMNS))
    return _Part(
        pull=landed.pull,
        responses=landed.responses,
        parsed=read.parsed,
        ignored=read.ignored,
        screened=Screened(
            good.select(_ROW_COLUMNS), read.screened.rejected, read.screened.duplicates
        ),
        rows=pl.concat([rows, _withdrawals(gone, landed.responses[-1], now)]),
        faults=(*_series_faults(feed, landed, read.doubted), *shape_faults(feed, landed, odd)),
    )


@dataclass(frozen=True, slots=True)
class ReadPull:
    """A pull's rows, dated and screened.

    Attributes:
        parsed: number of rows.
        ignored: number of source rows that are no observations.
        screened: what screening made of them, with their ``response_id``.
        doubted: series of which too many rows are refused: refused and all rows.
        good: good rows of the other series.
    """

    parsed: int
    ignored: int
    screened: Screened
    doubted: Mapping[str, tuple[int, int]]
    good: pl.DataFrame


def screen_pull(
    feed: LiveFeed,
    landed: LandedPull,
    ledger: Ledger,
    loaded: Sequence[str],
    now: datetime,
    refused: pl.DataFrame,
) -> ReadPull:
    """Date and screen the rows of a landed pull.

    Args:
        feed: feed that was asked.
        landed: what came.
        ledger: where its bytes lie.
        loaded: series of which something was held when it came.
        now: when it came.
        refused: rows set aside when it was first judged.
    """
    pages = landed.parsed
    parsed = _dated(pl.concat(map(_numbered, pages, range(len(pages)))), loaded, now)
    asked = {name: meta for name, meta in metas(feed).items() if name in landed.pull.series}
    before = _by_page(refused, landed.responses)
    screened = _located(screen(parsed, asked, now, before), landed.responses)
    screened = replace(screened, rejected=_sourced(screened.rejected, feed, landed, ledger))
    doubted = _refused_series(parsed, screened)
    return ReadPull(
        parsed=len(parsed),
        ignored=sum(sum(page.ignored.values()) for page in pages),
        screened=screened,
        doubted=doubted,
        good=screened.good.filter(~pl.col("series_id").is_in(doubted)),
    )


def _numbered(page: Parsed, number: int) -> pl.DataFrame:
    return page.frame.with_columns(locator=pl.lit(f"{number} ") + pl.col("locator"))


def _located(screened: Screened, responses: Sequence[Response]) -> Screened:
    # The page number rode along in the locator; it becomes the response again.
    ids = pl.Series([response.response_id for response in responses], dtype=pl.String)
    page = pl.col("locator").str.extract(r"^([0-9]+) ").cast(pl.UInt32)
    place = pl.col("locator").str.replace(r"^[0-9]+ ", "")

    def locate(frame: pl.DataFrame) -> pl.DataFrame:
        found = ids.gather(frame.select(page).to_series())
        return frame.with_columns(place.alias("locator"), found.alias("response_id"))

    return Screened(locate(screened.good), locate(screened.rejected), screened.duplicates)


def _sourced(
    rejected: pl.DataFrame, feed: LiveFeed, landed: LandedPull, ledger: Ledger
) -> pl.DataFrame:
    """Rejected rows with the source rows behind them, read again from the ledger."""
    doubted = set(rejected["response_id"])
    sources = [
        feed.parse(answer_of(response, ledger)).frame.select(
            "locator", "row_json", response_id=pl.lit(response.response_id)
        )
        for response in landed.responses
        if response.response_id in doubted
    ]
    if not sources:
        return rejected
    place = ["response_id", "locator"]
    found = rejected.drop("row_json").join(
        pl.concat(sources), on=place, how="left", maintain_order="left"
    )
    return found.select(rejected.columns)


def _by_page(refused: pl.DataFrame, responses: Sequence[Response]) -> pl.DataFrame:
    pages = pl.DataFrame(
        {
            "response_id": [response.response_id for response in responses],
            "page": [str(number) for number in range(len(responses))],
        },
        schema={"response_id": pl.String, "page": pl.String},
    )
    return (
        refused.join(pages, on="response_id", maintain_order="left")
        .with_columns(locator=pl.format("{} {}", "page", "locator"))
        .drop("page")
    )


def _dated(parsed: pl.DataFrame, loaded: Sequence[str], now: datetime) -> pl.DataFrame:
    """Replace each release by rule with what can be claimed of it now.

    On the first load of a series the rule is all there is, and the row says ``assumed``. Later a
    value is dated by its schedule only when it was seen soon after; one that came late, or was
    missed, is known since it was seen. A period that lies ahead keeps its rule and is refused.
    """
    instant = pl.lit(now).dt.cast_time_unit("us")
    rule, today = pl.col("available_at"), now.astimezone(AGENCY_ZONE).date()
    loading = ~pl.col("series_id").is_in(loaded) & (rule <= instant)
    punctual = (rule <= instant) & (instant - rule <= PUNCTUAL)
    seen = pl.col("period") <= today
    return parsed.with_columns(
        available_at=pl.when(loading | punctual | ~seen).then(rule).otherwise(instant),
        available_basis=pl.when(loading)
        .then(pl.lit("assumed"))
        .when(punctual)
        .then(pl.lit("calendar"))
        .otherwise(pl.lit("first_seen")),
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


def _series_faults(
    feed: LiveFeed, landed: LandedPull, refused: Mapping[str, tuple[int, int]]
) -> tuple[Fault, ...]:
    if not refused:
        return ()
    name, (few, rows) = max(refused.items(), key=lambda one: one[1][0])
    others = f" and of {len(refused) - 1} other series" if len(refused) > 1 else ""
    error = UnexpectedShape(
        feed.name,
        f"{few} of {rows} rows of {name}{others} break their contract",
        "None of them was used; `cbi quarantine list` shows the reasons",
    )
    ids = [response.response_id for response in landed.responses]
    return (Fault.of(error, landed.pull.name, ids),)


def _gone(
    feed: LiveFeed, pull: Pull, good: pl.DataFrame, screened: Screened, held: Held
) -> pl.DataFrame:
    """Held cells that the pull should carry and does not.

    Raises:
        IncompleteResponse: too many are gone to believe it.
    """
    expected = held.within(pull)
    missing = expected.join(good, on=CELL, how="anti")
    lost = missing.group_by("series_id").len("gone")
    share = lost.join(expected.group_by("series_id").len("held"), on="series_id")
    # A row set aside is not a row withdrawn: such a series says nothing about absent periods.
    doubtful = screened.rejected["series_id"].unique().implode()
    share = share.filter(~pl.col("series_id").is_in(doubtful))
    limit = pl.max_horizontal(pl.col("held") * GONE_LIMIT, pl.lit(FEW_GONE))
    empty = (pl.col("gone") == pl.col("held")) & (pl.col("held") > 1)
    beyond = share.filter((pl.col("gone") > limit) | empty)
    if len(beyond):
        name, gone, rows = beyond.sort("gone", "series_id", descending=True).row(0)
        raise IncompleteResponse(
            feed.name,
            f"{pull.name}: {gone} of {rows} periods we hold of {name} are not in the answer",
            "Nothing of this pull was used, because so many are hardly withdrawn at once; "
            "look at the service's own page",
        )
    return missing.filter(~pl.col("series_id").is_in(doubtful))


def _withdrawals(gone: pl.DataFrame, response: Response, now: datetime) -> pl.DataFrame:
    return gone.select(
        *CELL,
        available_at=pl.lit(now).dt.cast_time_unit("us"),
        available_basis=pl.lit("first_seen"),
        value=pl.lit(None, pl.Float64),
        value_text=pl.lit(None, pl.String),
        status=pl.lit("withdrawn"),
        response_id=pl.lit(response.response_id),
        locator=pl.lit("absent"),
    ).select(_ROW_COLUMNS)


def _counts(parts: Sequence[_Part]) -> Mapping[str, int]:
    return {
        "parsed": sum(part.parsed for part in parts),
        "accepted": sum(len(part.screened.good) for part in parts),
        "quarantined": sum(
            part.screened.rejected.select("response_id", "locator").n_unique() for part in parts
        ),
        "duplicates": sum(part.screened.duplicates for part in parts),
        "ignored": sum(part.ignored for part in parts),
    }


def _newest(parts: Sequence[_Part], feed: LiveFeed) -> Mapping[str, date]:
    families = {one.id: one.family for one in feed.series}
    newest: dict[str, date] = {}
    for part in parts:
        valued = part.screened.good.filter(status="value")
        last = valued.group_by("series_id").agg(pl.col("period").max())
        for name, period in last.iter_rows():
            newest[families[name]] = max(period, newest.get(families[name], period))
    return newest
