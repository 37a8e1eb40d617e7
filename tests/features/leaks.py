"""Ways in which the future gets into features, each planted into the honest pipeline."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
import polars as pl
import torch

from cbi_pipeline.evaluation import calibrate
from cbi_pipeline.evaluation.models.ewma import Ewma
from cbi_pipeline.features import FeatureSet
from cbi_pipeline.features.expressions import Expression, Operation
from cbi_pipeline.features.group import Column, Group, Series
from cbi_pipeline.forecasting.models.ewma import EwmaRecipe
from cbi_pipeline.forecasting.scaler import fit_moments
from cbi_pipeline.market import latest_prices
from tests.features.detector import (
    END,
    Record,
    Study,
    decided,
    fingerprint,
    forecasts,
    micros,
    said,
    walked_by,
)
from tests.features.records import CATALOGUE, rows_of
from tests.features.worlds import MONTHLY, OPEN_INTEREST, POSITIONS, RETAIL, WEEKLY, WTI

Observed = pl.DataFrame


# Leaks in what is believed to have been known: the honest code reads a doctored record.


def weekly_joined_on_observation_date(observed: Observed) -> Observed:
    return known_from(observed, WEEKLY, midnight("period"))


def retail_dated_by_its_label(observed: Observed) -> Observed:
    """The source file labels Monday's price with the Friday before."""
    return known_from(observed, (RETAIL,), midnight("period") - timedelta(days=3))


def spot_known_on_its_own_evening(observed: Observed) -> Observed:
    return known_from(observed, (WTI,), midnight("period") + timedelta(hours=22))


def monthly_known_at_month_end(observed: Observed) -> Observed:
    return known_from(observed, MONTHLY, midnight("period") + timedelta(days=31))


def monthly_in_its_latest_vintage(observed: Observed) -> Observed:
    latest = pl.col("value").sort_by("version").last().over("series_id", "period")
    is_monthly = pl.col("series_id").is_in(list(MONTHLY))
    return observed.with_columns(value=pl.when(is_monthly).then(latest).otherwise("value"))


def known_from(observed: Observed, series: tuple[str, ...], instant: pl.Expr) -> Observed:
    hit = pl.col("series_id").is_in(list(series))
    return observed.with_columns(
        available_at=pl.when(hit)
        .then(instant)
        .otherwise("available_at")
        .cast(pl.Datetime("us", "UTC"))
    )


def midnight(period: str) -> pl.Expr:
    return pl.col(period).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


# Leaks in how a column is computed: one more column beside the honest rows.


def centred_window(_: Record) -> pl.Expr:
    return pl.col("price").rolling_mean(21, center=True).over("commodity")


def scaler_of_the_whole_record(_: Record) -> pl.Expr:
    level = pl.col("price").log()
    return ((level - level.mean()) / level.std()).over("commodity")


def rank_in_the_whole_record(_: Record) -> pl.Expr:
    return (pl.col("price").rank() / pl.len()).over("commodity")


def season_of_later_years(_: Record) -> pl.Expr:
    return pl.col("price").mean().over("commodity", pl.col("session").dt.month())


def target_among_features(record: Record) -> pl.Series:
    shortest = record.targets.sort("horizon", "version").unique(
        ["commodity", "session"], keep="first", maintain_order=True
    )
    return _beside(record, shortest, ["commodity", "session"]).get_column("value")


def price_as_restated_later(record: Record) -> pl.Series:
    newest = latest_prices(record.prices, END).select("commodity", "session", newest="price")
    return _beside(record, newest, ["commodity", "session"]).get_column("newest")


def days_to_the_session_before_as_finally_known(record: Record) -> pl.Series:
    """The session before is another one once a hole between the two is filled."""
    sessions = record.prices.filter(version=1).sort("commodity", "session")
    before = pl.col("session").diff().over("commodity").dt.total_days()
    gaps = sessions.select("commodity", "session", gap=before)
    return _beside(record, gaps, ["commodity", "session"]).get_column("gap")


def record_stopped_by_a_session_that_comes_late(record: Record) -> pl.Series:
    """Prices in order of sessions, each known only with all before it: one late stops the rest."""
    first = record.prices.filter(version=1).sort("commodity", "session")
    dated = first.with_columns(known=pl.col("available_at").cum_max().over("commodity"))
    rows = record.rows.select("commodity", "decision_at").with_row_index()
    newest = rows.sort("decision_at").join_asof(
        dated.select("commodity", "known", "price").sort("known"),
        left_on="decision_at",
        right_on="known",
        by="commodity",
        check_sortedness=False,
    )
    return newest.sort("index").get_column("price")


def weekly_value_filled_backward(record: Record) -> pl.Series:
    return _stocks_on(record).backward_fill()


def weekly_value_interpolated(record: Record) -> pl.Series:
    return _stocks_on(record).interpolate()


def positions_joined_on_their_report_date(record: Record) -> pl.Series:
    """Tuesday's positions from Tuesday on, which the agency publishes on Friday or later."""
    reports = _values(record, POSITIONS)
    joined = _decided_on(record).sort("period").join_asof(reports, on="period")
    return joined.sort("index").get_column("value")


def open_interest_of_the_same_day(record: Record) -> pl.Series:
    """Known on the evening of its day, which the exchange publishes later."""
    daily = _values(record, OPEN_INTEREST)
    joined = _decided_on(record).join(daily, on="period", how="left", maintain_order="left")
    return joined.get_column("value")


def _decided_on(record: Record) -> pl.DataFrame:
    """The day of each row's decision."""
    return record.rows.select(period=pl.col("decision_at").dt.date()).with_row_index()


def _values(record: Record, series: str) -> pl.DataFrame:
    """The first value of each period."""
    own = record.observations.filter(pl.col("series_id") == series).sort("version")
    return own.unique("period", keep="first").select("period", "value").sort("period")


def _stocks_on(record: Record) -> pl.Series:
    """Stocks on the session that bears their date, and nothing on other sessions."""
    stocks = record.observations.filter(pl.col("series_id") == WEEKLY[0])
    dated = stocks.unique("period", keep="last").select(session=pl.col("period"), stocks="value")
    return _beside(record, dated, ["session"]).get_column("stocks")


def _beside(record: Record, frame: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    return record.rows.join(frame, on=key, how="left", maintain_order="left")


# A leak in a group: its own series, read one week ahead.

_NEXT = Operation("next of {0}", lambda values: np.append(values[1:], np.nan))
_STOCKS = Series("stocks", "stocks", "week", "eia_wpsr")
_AHEAD = Expression(_NEXT, (_STOCKS.value,))
_SET = FeatureSet("leaky", (Group("ahead", "", (Column("ahead", "kb", _AHEAD, ""),)),))
_ASSIGNED = CATALOGUE.model_copy(update={"groups": {"ahead": {"stocks": WEEKLY[0]}}})


def group_reading_its_own_future(record: Record, instant: datetime) -> str:
    rows = rows_of(record.prices, record.observations, END, catalogue=_ASSIGNED, feature_set=_SET)
    return fingerprint(decided(rows, instant))


# Leaks in how a model is trained on honest rows.


def split_without_purge(record: Record, instant: datetime) -> str:
    """Trains on every row decided by then, whether its target is public or not."""
    whole = record.panel()
    early = whole.decision_at_R <= micros(instant)
    return fingerprint(pl.DataFrame(whole.target_RH[early].numpy()))


def scaler_fitted_on_validation_rows(record: Record, _: datetime) -> str:
    whole = record.panel()
    moments = fit_moments(whole, torch.arange(whole.rows))
    return fingerprint(pl.DataFrame(moments.mean_F.numpy()))


def targets_public_from_their_target_date(record: Record, instant: datetime) -> str:
    """Takes a target as known on the evening of its session, not when that price was published."""
    early = midnight("target_session") + timedelta(hours=22) <= instant
    return fingerprint(
        record.targets.filter(early).select("commodity", "session", "horizon", "value")
    )


# Leaks in what a contender reads beside honest rows.


@dataclass(frozen=True)
class Counting(Ewma):
    """Widens with the sessions there were, as finally known, up to each origin."""

    recipe: EwmaRecipe = EwmaRecipe(name="counting")  # noqa: RUF009
    prices: pl.DataFrame | None = None

    def forecast(self, panel, fold, folder):
        honest = super().forecast(panel, fold, folder)
        sessions = self.prices.filter(version=1)["session"].to_physical().sort().to_numpy()
        ever = np.searchsorted(sessions, panel.session_R.numpy()[fold.test_rows], side="right")
        return honest._replace(q_NHQ=honest.q_NHQ * ever[:, None, None])


def contender_counting_sessions_as_finally_known(record: Record, instant: datetime) -> str:
    return walked_by([Counting(prices=record.prices)], record, instant)


# Leaks in how a band is calibrated on honest forecasts.

_OUTCOME = ["commodity", "session", "horizon"]


def outcomes_as_restated_later(record: Record, instant: datetime) -> str:
    """Calibrates from the first release of each outcome on, with the value it has at the end."""
    return _calibrated(record, instant, value=pl.col("value").last().over(_OUTCOME))


def outcomes_but_those_withdrawn_later(record: Record, instant: datetime) -> str:
    """Leaves an outcome out from the first because it will have no value in the end."""
    lasting = pl.col("value").last().is_not_null().over(_OUTCOME)
    return _calibrated(record, instant, value=pl.when(lasting).then("value"))


def _calibrated(record: Record, instant: datetime, value: pl.Expr) -> str:
    doctored = record.targets.sort("version").with_columns(value=value)
    return fingerprint(said(calibrate(forecasts(record), doctored), instant))


def _of_record(doctor: Callable[[Observed], Observed]) -> Study:
    @lru_cache(maxsize=2)
    def doctored(record: Record) -> Record:
        return Record(doctor(record.observations))

    def study(record: Record, instant: datetime) -> str:
        return fingerprint(decided(doctored(record).rows, instant))

    return study


def _of_column(column: Callable[[Record], pl.Expr | pl.Series]) -> Study:
    def study(record: Record, instant: datetime) -> str:
        leaky = record.rows.select("commodity", "session", "decision_at", leak=column(record))
        return fingerprint(decided(leaky, instant))

    return study


_RECORD = (
    weekly_joined_on_observation_date,
    retail_dated_by_its_label,
    spot_known_on_its_own_evening,
    monthly_known_at_month_end,
    monthly_in_its_latest_vintage,
)
_COLUMN = (
    centred_window,
    scaler_of_the_whole_record,
    rank_in_the_whole_record,
    season_of_later_years,
    target_among_features,
    price_as_restated_later,
    days_to_the_session_before_as_finally_known,
    record_stopped_by_a_session_that_comes_late,
    weekly_value_filled_backward,
    weekly_value_interpolated,
    positions_joined_on_their_report_date,
    open_interest_of_the_same_day,
)
_TRAINING = (
    split_without_purge,
    scaler_fitted_on_validation_rows,
    targets_public_from_their_target_date,
)
_CONTENDER = (contender_counting_sessions_as_finally_known,)
_CALIBRATION = (outcomes_as_restated_later, outcomes_but_those_withdrawn_later)

LEAKS: dict[str, Study] = {
    **{leak.__name__: _of_record(leak) for leak in _RECORD},
    **{leak.__name__: _of_column(leak) for leak in _COLUMN},
    group_reading_its_own_future.__name__: group_reading_its_own_future,
    **{leak.__name__: leak for leak in (*_TRAINING, *_CONTENDER, *_CALIBRATION)},
}
