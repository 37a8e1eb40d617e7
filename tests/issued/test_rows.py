"""Rows that are issued: prices, target sessions, order, and what is refused."""

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.issued import calendar_target, from_model, from_walk_forward, rows
from data_contracts.evaluation import FORECAST as WALK_FORWARD
from tests.issued.spoken import EMPTY, LEVELS, MONDAY, daily, spoken, unchained


def test_price_of_a_level_is_the_origin_price_moved_by_its_log_return():
    issued = unchained(spoken(price=80.0))
    expected = [80.0 * math.exp(value) for value in issued["value"]]
    assert issued["price"].to_list() == pytest.approx(expected, rel=1e-15)


def test_target_session_comes_from_the_calendar_handed_in():
    issued = unchained()
    assert all(
        row["target_session"] == row["origin_session"] + timedelta(days=row["horizon"])
        for row in issued.iter_rows(named=True)
    )


def test_target_sessions_of_the_catalogue_are_mondays_for_gasoline_and_weekdays_for_oil():
    target = calendar_target(load_catalogue())
    assert target("gasoline_mn", date(2020, 2, 10), 4) == date(2020, 3, 9)
    assert target("wti", date(2019, 1, 3), 5) == date(2019, 1, 10)


def test_order_does_not_depend_on_the_order_of_the_forecasts():
    shuffled = spoken().sample(fraction=1.0, shuffle=True, seed=3)
    assert unchained(shuffled).equals(unchained())


def test_forecast_is_carried_when_the_origin_is_that_of_the_night_before():
    friday = date(2019, 3, 1)
    first = unchained(spoken(MONDAY, origin=friday))
    assert not first["carried"].any()
    numbered = first.with_columns(sequence=1, prev_hash=pl.lit(""), row_hash=pl.lit(""))
    issued = numbered.select(EMPTY.columns).cast(dict(EMPTY.schema))
    tuesday = MONDAY + timedelta(days=1)
    assert unchained(spoken(tuesday, origin=friday), issued)["carried"].all()
    moved = spoken(tuesday, origin=date(2019, 3, 4))
    assert not unchained(moved, issued)["carried"].any()


def test_another_track_does_not_make_a_forecast_carried():
    friday = date(2019, 3, 1)
    live = unchained(spoken(MONDAY, origin=friday)).with_columns(
        sequence=1, prev_hash=pl.lit(""), row_hash=pl.lit("")
    )
    replayed = rows(
        spoken(MONDAY + timedelta(days=1), origin=friday),
        track="replay",
        issued_at=MONDAY,
        state="s",
        target_session=daily,
        previous=live.select(EMPTY.columns).cast(dict(EMPTY.schema)),
    )
    assert not replayed["carried"].any()


@pytest.mark.parametrize("figure", ["origin_price", "value", "up", "volatility"])
@pytest.mark.parametrize("broken", [math.nan, math.inf, None])
def test_figures_that_are_not_finite_are_refused(figure, broken):
    frame = spoken().with_columns(
        pl.when(pl.int_range(pl.len()) == 4).then(broken).otherwise(pl.col(figure)).alias(figure)
    )
    with pytest.raises(ValueError, match="not finite"):
        unchained(frame)


def test_crossing_quantiles_are_refused():
    with pytest.raises(ValueError, match="cross"):
        unchained(spoken().with_columns(value=-pl.col("value")))


def test_origin_price_below_zero_is_refused():
    with pytest.raises(ValueError, match="positive origin price"):
        unchained(spoken(price=-36.98))


def test_model_arrays_become_one_row_per_origin_horizon_and_level():
    q_NHQ = np.sort(np.random.default_rng(0).normal(size=(2, 2, 5)), axis=2)
    up_NH, vol_NH = np.full((2, 2), 0.6), np.full((2, 2), 0.1)
    origins = pl.DataFrame(
        {
            "commodity": ["wti", "gasoline_mn"],
            "session": [date(2019, 1, 3), date(2020, 2, 10)],
            "price": [46.92, 2.5],
        }
    )
    frame = from_model(
        q_NHQ,
        up_NH,
        vol_NH,
        origins=origins,
        levels=LEVELS,
        steps={"wti": (5, 21), "gasoline_mn": (1, 4)},
        model_version="7",
        as_of=MONDAY,
    )
    assert frame.height == 20
    for n, commodity in enumerate(["wti", "gasoline_mn"]):
        for h, horizon in enumerate([(5, 21), (1, 4)][n]):
            part = frame.filter((pl.col("commodity") == commodity) & (pl.col("horizon") == horizon))
            assert part["value"].to_list() == q_NHQ[n, h].tolist()
            assert part["quantile"].to_list() == list(LEVELS)
            assert set(part["origin_price"]) == {origins["price"][n]}


def test_model_arrays_of_the_wrong_shape_are_refused():
    origins = pl.DataFrame({"commodity": ["wti"], "session": [date(2019, 1, 3)], "price": [46.9]})
    with pytest.raises(ValueError, match="need"):
        from_model(
            np.zeros((1, 2, 4)),
            np.zeros((1, 2)),
            np.zeros((1, 2)),
            origins=origins,
            levels=LEVELS,
            steps={"wti": (5, 21)},
            model_version="7",
            as_of=MONDAY,
        )


def test_replay_keeps_each_origins_own_instant_and_names_the_fold_model():
    walked = spoken(MONDAY).with_columns(
        evaluation_id=pl.lit("e"), recipe=pl.lit("prior"), fold=pl.lit("2019Q1")
    )
    other = walked.with_columns(recipe=pl.lit("ewma"), value=pl.col("value") * 2)
    forecasts = pl.concat([walked, other]).select(list(WALK_FORWARD.dtypes))
    replayed = from_walk_forward(forecasts, "prior")
    assert set(replayed["model_version"]) == {"prior@2019Q1"}
    assert replayed["value"].to_list() == walked["value"].to_list()
    assert set(replayed["as_of"]) == {MONDAY}


@pytest.mark.parametrize("price", [-36.98, 0.0])
def test_an_origin_at_or_below_zero_is_not_replayed_and_the_others_are(price):
    fallen = pl.when(pl.col("commodity") == "wti").then(price).otherwise("origin_price")
    walked = spoken(MONDAY).with_columns(
        evaluation_id=pl.lit("e"),
        recipe=pl.lit("prior"),
        fold=pl.lit("2019Q1"),
        origin_price=fallen,
    )
    replayed = from_walk_forward(walked.select(list(WALK_FORWARD.dtypes)), "prior")
    assert replayed["commodity"].unique().to_list() == ["gasoline_mn"]


def test_state_can_differ_by_instant():
    later = datetime(2019, 3, 5, 4, tzinfo=UTC)
    issued = rows(
        pl.concat([spoken(MONDAY), spoken(later)]),
        track="replay",
        issued_at=later,
        state={MONDAY: "a", later: "b"},
        target_session=daily,
        previous=EMPTY,
    )
    assert dict(issued.select("as_of", "state").unique().iter_rows()) == {MONDAY: "a", later: "b"}
