"""How issued forecasts turned out."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cbi_pipeline.operations.pipeline import Pipeline
from data_contracts.issued import FORECAST, SCORE

#: One line of each forecast, whatever levels it has.
_ISSUES = """
    SELECT track, as_of, commodity, horizon, model_version, max(sequence) AS sequence,
        any_value(origin_session) AS origin_session, any_value(target_session) AS target_session
    FROM issued.forecast GROUP BY ALL ORDER BY sequence"""
_PRICES = "SELECT commodity, session, version, price, available_at FROM market.session ORDER BY ALL"
_SCORES = f"SELECT {', '.join(SCORE.key)}, actual_price FROM issued.score ORDER BY ALL"
_SUMMARY = """
    SELECT track, commodity, horizon, count(*) AS forecasts, avg(covered::INT) AS covered_80,
        avg(hit::INT) AS hit_rate, avg(error) AS error, avg(naive_error) AS no_change
    FROM issued.score WHERE vintage = 'latest' GROUP BY ALL ORDER BY ALL"""
_BANDS = """
    WITH live AS (
        SELECT as_of, commodity, horizon, model_version, any_value(origin_session) AS origin_session
        FROM issued.forecast WHERE track = 'live' GROUP BY ALL
    ), target AS (
        SELECT commodity, horizon, session AS origin_session, min(available_at) AS known_at
        FROM features.target GROUP BY ALL)
    SELECT commodity, horizon, origin_session, as_of, known_at, covered
    FROM issued.score JOIN live USING (as_of, commodity, horizon, model_version)
    JOIN target USING (commodity, horizon, origin_session)
    WHERE track = 'live' AND vintage = 'latest' ORDER BY ALL"""


@dataclass(frozen=True)
class Scored:
    """What is known of how it went.

    Attributes:
        rows: rows of ``issued.score``.
        changed: how many of them are new or were scored otherwise.
        summary: by track, commodity and horizon, against the latest prices: forecasts, share of
            80 % bands that held, share of directions that were right, mean error of the median
            and of no change.
        live_bands: of each live forecast that counts and has an outcome, commodity, horizon, origin
            session, as-of, when the outcome was public first, and whether the 80 % band held.
        days: instants of live forecasts.
    """

    rows: int
    changed: int
    summary: pl.DataFrame
    live_bands: pl.DataFrame
    days: int


def score_issued(pipeline: Pipeline) -> Scored:
    """Score the issued forecasts whose target became public or has another price since.

    By its first and its latest price; everything that was scored before stays.
    """
    from cbi_pipeline.issued import find_changed, score

    as_of = pipeline.newest_as_of()
    with pipeline.warehouse.read() as store:
        issues, prices = store.query(_ISSUES), store.query(_PRICES)
        changed, gone = find_changed(issues, store.query(_SCORES), prices, as_of)
        outcomes = score(store.select_rows(FORECAST.table, changed), prices, as_of)
    added = 0
    if len(outcomes) or len(gone):
        with pipeline.warehouse.write() as store, store.transaction():
            store.remove(SCORE.table, gone)
            added = store.replace(SCORE.table, outcomes)
        pipeline.warehouse.publish()
    with pipeline.warehouse.read() as store:
        summary = store.query(_SUMMARY)
        rows = store.query("SELECT count(*) AS n FROM issued.score")["n"][0]
        live_bands = store.query(_BANDS)
    days = issues.filter(pl.col("track") == "live")["as_of"].n_unique()
    return Scored(rows=rows, changed=added, summary=summary, live_bands=live_bands, days=days)
