"""Days of the live profile for which no night issued, and why a past day has no rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from cbi_pipeline.operations.pipeline import ZONE, Pipeline, desk_day
from cbi_pipeline.operations.walk_forward_store import load_evidence
from cbi_pipeline.registry import current_champion
from data_contracts.core import UTC_MICROSECONDS
from data_contracts.evaluation import CALIBRATED
from data_contracts.issued import ABSTENTION

MISSED = "missed"


def missed_days(pipeline: Pipeline, day: str) -> pl.DataFrame:
    """Rows of issued.abstention: a day each from the last that was issued to ``day`` (ISO).

    Closed records miss no day: they say nothing new as time passes.
    """
    last = pipeline.newest_issue() if pipeline.settings.has_services else None
    if last is None:
        return ABSTENTION.empty()
    first, ends = desk_day(last) + timedelta(days=1), date.fromisoformat(day)
    missed = [first + timedelta(days=n) for n in range((ends - first).days)]
    rows = [
        (
            "live",
            pipeline.closes(missing.isoformat()),
            commodity.id,
            MISSED,
            _explain_missed(missing),
        )
        for missing in missed
        for commodity in pipeline.catalogue.commodities
    ]
    schema = {**ABSTENTION.dtypes, "as_of": UTC_MICROSECONDS}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _explain_missed(day: date) -> str:
    return f"missed, because no night issued for {day}: none ran, or none got as far as a forecast"


def explain_days(pipeline: Pipeline, days: Sequence[str]) -> dict[str, str]:
    """What the ledger of forecasts holds of some days (ISO), or why it holds nothing, in words."""
    with pipeline.warehouse.read() as store:
        issued = store.query(
            f"SELECT {_DAY} AS day, track, count(*) AS n FROM issued.forecast GROUP BY ALL"
        )
        silent = store.query(
            f"SELECT {_DAY} AS day, any_value(kind) AS kind, any_value(reason) AS reason "
            "FROM issued.abstention WHERE track = 'live' GROUP BY ALL"
        )
        current = current_champion(store.table("registry.decision"))
        recipe = (current.recipe if current else "") + CALIBRATED
        evidence = load_evidence(store, recipe)
    rows = {(day, track): count for day, track, count in issued.iter_rows()}
    why = {day: (kind, reason) for day, kind, reason in silent.iter_rows()}
    origins = sorted({desk_day(instant).isoformat() for instant in evidence["as_of"].unique()})
    return {
        day: f"is issued as of {pipeline.as_of(day):%Y-%m-%d %H:%M} UTC"
        if pipeline.is_newest(day)
        else _explain(day, rows, why, origins)
        for day in days
    }


def _explain(
    day: str,
    rows: dict[tuple[str, str], int],
    silent: dict[str, tuple[str | None, str]],
    origins: Sequence[str],
) -> str:
    by_track = {track: rows[day, track] for track in ("live", "replay") if (day, track) in rows}
    if by_track:
        return "; ".join(f"{count} {track} rows" for track, count in by_track.items())
    kind, reason = silent.get(day, (None, ""))
    if kind == MISSED:
        return reason
    if reason:
        return f"no rows: no commodity was forecast that day ({reason})"
    if not origins:
        return "no rows: there is no evidence of the recipe in use that a past day could replay"
    if day < origins[0]:
        return f"no rows: the past forecasts of the recipe in use begin on {origins[0]}"
    if day > origins[-1]:
        return f"no rows: the past forecasts of the recipe in use end on {origins[-1]}"
    before = max(origin for origin in origins if origin <= day)
    after = min(origin for origin in origins if origin >= day)
    return f"no rows: no past forecast starts on this day; those beside it are {before} and {after}"


#: The desk's day of a row.
_DAY = f"strftime(as_of AT TIME ZONE '{ZONE.key}', '%Y-%m-%d')"
