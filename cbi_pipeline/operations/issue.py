"""What a day says: the champion's live forecast, and replays by the models of their time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.operations.champion_forecast import forecast_newest
from cbi_pipeline.operations.missed_days import missed_days
from cbi_pipeline.operations.pipeline import ZONE, Pipeline
from cbi_pipeline.operations.training_data import followed_series, load_training_data
from cbi_pipeline.operations.walk_forward_store import load_evidence
from cbi_pipeline.registry import current_champion
from data_contracts.evaluation import CALIBRATED

if TYPE_CHECKING:
    from cbi_pipeline.issued import Status

#: Origins of a commodity that are replayed unasked.
REPLAYED_ORIGINS = 100


@dataclass(frozen=True)
class DailyIssue:
    """Rows to issue and commodities to be silent on, both in contract form, and why.

    Attributes:
        rows: rows of issued.forecast without their links.
        abstentions: rows of issued.abstention.
        statuses: one per commodity of a day that is issued live; empty for a replay.
    """

    rows: pl.DataFrame
    abstentions: pl.DataFrame
    statuses: tuple[Status, ...] = ()


@dataclass(frozen=True)
class Issued:
    """What a day added to the ledger of forecasts.

    Attributes:
        issue: what the day says.
        added: rows that were not there.
        sequence: rows of the chain now.
        row_hash: hash of the newest.
    """

    issue: DailyIssue
    added: int
    sequence: int
    row_hash: str


def issue_days(pipeline: Pipeline, days: Sequence[str]) -> list[Issued]:
    """Say what some days (ISO, oldest first) say; never empty where they are not.

    The champion forecasts the newest day; past ones are replayed by the models of their time, all
    of them at once.
    """
    past = [day for day in days if not pipeline.is_newest(day)]
    replays = [append_issue(pipeline, issue_replay(pipeline, past))] if past else []
    return replays + [issue_newest(pipeline, day) for day in days if day not in past]


def issue_newest(pipeline: Pipeline, day: str) -> Issued:
    """Issue a live day (ISO), and note what cannot be forecast."""
    from cbi_pipeline.issued import note_faults

    issue = issue_live(pipeline, day)
    issued = append_issue(pipeline, issue)
    note_faults(issue.statuses, pipeline.settings, pipeline.now())
    return issued


def append_issue(pipeline: Pipeline, issue: DailyIssue) -> Issued:
    """Append what is said to the ledger of forecasts, and publish."""
    from cbi_pipeline.issued import IssuedLedger

    with pipeline.warehouse.write() as store:
        ledger = IssuedLedger(store, pipeline.settings.issued_dir)
        added = ledger.append(issue.rows, issue.abstentions)
        head = ledger.head()
    pipeline.warehouse.publish()
    return Issued(issue, added, head.sequence, head.row_hash)


def issue_live(pipeline: Pipeline, day: str) -> DailyIssue:
    """The live forecast of the newest day, after every replay that is not issued yet.

    Every commodity is forecast or told why it is not; none of them stops another. Days on which no
    night issued since the last one are noted as missed.
    """
    from cbi_pipeline.issued import FORECAST, abstentions, find_statuses
    from cbi_pipeline.operations import awaited_files, awaited_keys

    data = load_training_data(pipeline, pipeline.as_of(day))
    asked = pipeline.catalogue, pipeline.settings
    waiting = awaited_keys(*asked) | awaited_files(*asked)
    with pipeline.warehouse.read() as store:
        statuses = find_statuses(store, *asked, data.as_of, data.rows, waiting)
    ready = [status.commodity for status in statuses.values() if status.kind == FORECAST]
    champion = forecast_newest(data, ready, pipeline)
    statuses |= champion.statuses
    return DailyIssue(
        pl.concat([pending_replays(pipeline), champion.rows]),
        pl.concat(
            [
                missed_days(pipeline, day),
                abstentions(statuses.values(), track="live", as_of=data.as_of),
            ]
        ),
        tuple(statuses.values()),
    )


def issue_replay(pipeline: Pipeline, days: Sequence[str]) -> DailyIssue:
    """What past days would have said, by the walk-forward's models of their time."""
    from data_contracts.issued import ABSTENTION

    day = pl.col("as_of").dt.convert_time_zone(ZONE.key).dt.date().cast(pl.String)
    return DailyIssue(pending_replays(pipeline, day.is_in(list(days))), ABSTENTION.empty())


def _is_recent() -> pl.Expr:
    """Whether a forecast starts from one of its commodity's newest origins."""
    age = pl.col("origin_session").rank("dense", descending=True).over("commodity")
    return age <= REPLAYED_ORIGINS


def pending_replays(pipeline: Pipeline, chosen: pl.Expr | None = None) -> pl.DataFrame:
    """The champion recipe's calibrated walk-forward forecasts that are not issued yet.

    Args:
        pipeline: the home.
        chosen: which of them; by default those of each commodity's newest 100 origins.
    """
    from cbi_pipeline.issued import calendar_target, from_walk_forward, read_origins, rows
    from data_contracts.issued import FORECAST

    with pipeline.warehouse.read() as store:
        current = current_champion(store.table("registry.decision"))
        recipe = current.recipe if current else ""
        past = load_evidence(store, recipe + CALIBRATED).with_columns(recipe=pl.lit(recipe))
        previous = read_origins(store)
        wanted = _is_recent() if chosen is None else chosen
        replays = (
            from_walk_forward(past, recipe).filter(wanted).with_columns(track=pl.lit("replay"))
        )
        forecasts = store.find_new(FORECAST.table, replays).drop("track")
        # What each replay rests on.
        states = store.states(
            forecasts["as_of"].unique().to_list(), followed_series(pipeline.catalogue)
        )
    return rows(
        forecasts,
        track="replay",
        issued_at=pipeline.now(),
        state=states,
        target_session=calendar_target(pipeline.catalogue),
        previous=previous,
    )
