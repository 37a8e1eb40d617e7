from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from cbi_pipeline.features import panel_from_frame
from cbi_pipeline.forecasting import Forecasts
from cbi_pipeline.registry import pyfunc_model
from cbi_pipeline.registry.frame import model_input, select_newest
from tests.registry import world
from tests.registry.conftest import House

COLUMNS = ["commodity", "horizon", "quantile", "price", "return", "up", "volatility"]
COLUMNS += ["origin_session", "target_session"]
STRANGER = """
import sys
import mlflow.pyfunc
model = mlflow.pyfunc.load_model(sys.argv[1])
model.predict(model.input_example).to_pickle(sys.argv[2])
assert "cbi_pipeline.registry" not in sys.modules
"""


@pytest.fixture(scope="module")
def model(house: House) -> mlflow.pyfunc.PyFuncModel:
    return mlflow.pyfunc.load_model(str(house.registry.find_folder(1)))


@pytest.fixture
def frame() -> pd.DataFrame:
    return model_input(world.panel_frame(), world.SPEC)


def forecasts(house: House) -> Forecasts:
    """What version 1 forecasts from the newest row of each commodity, wti first."""
    panel = panel_from_frame(world.panel_frame(), world.SPEC)
    model, spec = house.models[0], world.SPEC
    plain = model.predict(panel, world.origins(panel))
    return world.CALIBRATION.apply(plain, model.recipe.levels, spec.commodities, spec.steps)


def check_figures(said: pd.DataFrame, expected: Forecasts) -> None:
    """Every figure to the last bit."""
    levels = expected.q_NHQ.shape[-1]
    for place, commodity in enumerate(world.SPEC.commodities):
        own = said[said["commodity"] == commodity]
        assert np.array_equal(own["return"], expected.q_NHQ[place].reshape(-1))
        assert np.array_equal(own["up"], expected.up_NH[place].repeat(levels))
        assert np.array_equal(own["volatility"], expected.vol_NH[place].repeat(levels))


@pytest.mark.slow
def test_a_process_that_knows_only_the_folder_forecasts_the_example(
    house: House, tmp_path: Path
) -> None:
    folder = str(house.registry.find_folder(1))
    # -I keeps the project off the path, so that the code carried by the version is used.
    done = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER, folder, str(tmp_path / "said.pkl")],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    check_figures(pd.read_pickle(tmp_path / "said.pkl"), forecasts(house))


def test_the_model_forecasts_its_own_example_to_the_last_digit(
    house: House, model: mlflow.pyfunc.PyFuncModel
) -> None:
    check_figures(model.predict(model.input_example), forecasts(house))


def test_the_example_is_the_newest_window_of_real_rows(
    house: House, model: mlflow.pyfunc.PyFuncModel
) -> None:
    stored, window = model.input_example, house.models[0].recipe.window
    assert stored.groupby("commodity").size().to_dict() == {"wti": window, "gasoline_mn": window}
    real = model_input(world.panel_frame(), world.SPEC).groupby("commodity").tail(window)
    pd.testing.assert_frame_equal(
        stored, real.astype(stored.dtypes).reset_index(drop=True), check_exact=True
    )


def test_one_line_per_commodity_horizon_and_quantile_in_that_order(
    house: House, model: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame
) -> None:
    said = model.predict(frame)
    assert list(said.columns) == COLUMNS
    levels = house.models[0].recipe.levels
    expected = [
        (name, step, level)
        for name, steps in (("gasoline_mn", (1, 4)), ("wti", (5, 21)))
        for step in steps
        for level in levels
    ]
    assert list(said[COLUMNS[:3]].itertuples(index=False, name=None)) == expected


def test_prices_are_the_origin_price_moved_by_the_return(
    model: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame
) -> None:
    said = model.predict(frame)
    newest = frame.sort_values("session").groupby("commodity")["price"].last()
    assert np.array_equal(said["price"], said["commodity"].map(newest) * np.exp(said["return"]))


def test_target_sessions_are_counted_on_the_commodity_s_own_calendar(
    model: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame
) -> None:
    said = model.predict(frame).drop_duplicates(["commodity", "horizon"])
    found = {(row.commodity, row.horizon): row.target_session.date() for row in said.itertuples()}
    assert set(said["origin_session"]) == {pd.Timestamp("2020-02-10")}
    assert found == {
        ("wti", 5): date(2020, 2, 17),
        ("wti", 21): date(2020, 3, 10),
        ("gasoline_mn", 1): date(2020, 2, 17),
        ("gasoline_mn", 4): date(2020, 3, 9),
    }


def test_the_order_of_lines_and_columns_does_not_matter(
    model: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame
) -> None:
    mixed = frame.sample(frac=1, random_state=0)[frame.columns[::-1]]
    pd.testing.assert_frame_equal(model.predict(mixed), model.predict(frame), check_exact=True)


def test_one_commodity_alone_is_forecast_as_in_company(
    model: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame
) -> None:
    alone = model.predict(frame[frame["commodity"] == "wti"])
    together = model.predict(frame)
    shared = together[together["commodity"] == "wti"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, shared, rtol=1e-6)


def test_a_missing_or_renamed_column_is_refused_by_name(
    model: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame
) -> None:
    with pytest.raises(MlflowException, match=r"missing inputs \['carry'\]"):
        model.predict(frame.drop(columns="carry"))
    with pytest.raises(MlflowException, match=r"\['carry'\].*extra inputs: \['carrie'\]"):
        model.predict(frame.rename(columns={"carry": "carrie"}))


def test_text_in_a_feature_is_refused_by_name(
    model: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame
) -> None:
    with pytest.raises(MlflowException, match="carry"):
        model.predict(frame.assign(carry="high"))


def test_a_column_the_model_does_not_know_changes_nothing(
    model: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame
) -> None:
    pd.testing.assert_frame_equal(model.predict(frame.assign(rumour=1.0)), model.predict(frame))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda f: f.replace({"commodity": {"wti": "wheat"}}), r"\['wheat'\] are unknown"),
        (lambda f: f.groupby("commodity").tail(15), "has 15 rows, the model reads 16"),
        (lambda f: pd.concat([f, f.tail(1)]), r"gasoline_mn has 2020-02-10 twice"),
        (lambda f: f.assign(variance_long=np.nan), "variance_long must be known and positive"),
        (lambda f: f.assign(price=-37.63), "needs a positive price, got -37.63"),
        (lambda f: f.assign(price=np.nan), "needs a positive price, got nan"),
        (lambda f: f.head(0), "no row"),
        (
            lambda f: f.assign(session=shifted(f, 400)),
            r"calendar runs from 2019-12-02 to .* load the newest version",
        ),
        (
            lambda f: f.assign(session=shifted(f, -400)),
            "calendar runs from 2019-12-02",
        ),
    ],
)
def test_a_frame_that_cannot_be_forecast_from_says_why(
    model: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame, broken: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        model.predict(broken(frame))


def shifted(frame: pd.DataFrame, days: int) -> pd.Series:
    """The sessions that many days later, as text again."""
    moved = pd.to_datetime(frame["session"]) + pd.Timedelta(days=days)
    return moved.dt.strftime("%Y-%m-%d")


@given(rows=st.integers(16, 40), seed=st.integers(0, 9999))
def test_the_model_s_panel_is_the_panel_of_the_features(rows: int, seed: int) -> None:
    frame = world.panel_frame(rows, seed)
    theirs = panel_from_frame(frame, world.SPEC)
    mine = pyfunc_model.panel_of(
        pyfunc_model.read_frame(model_input(frame, world.SPEC), world.SPEC), world.SPEC
    )
    assert mine.identity() == theirs.identity()


@pytest.mark.parametrize("recipe", [None, world.joint_recipe()], ids=["pooled", "joint"])
def test_the_example_rows_hold_all_that_a_forecast_reads(recipe: object) -> None:
    whole = stale_wti(world.panel_frame(60))
    made = world.forecaster(recipe=recipe)
    short = select_newest(whole, made)
    full, part = (panel_from_frame(rows, world.SPEC) for rows in (whole, short))
    assert part.rows < full.rows
    expected = made.predict(full, world.origins(full))
    found = made.predict(part, world.origins(part))
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


def stale_wti(frame: pl.DataFrame) -> pl.DataFrame:
    """Gasoline goes on for two weeks after the newest wti row."""
    return frame.filter((pl.col("commodity") != "wti") | (pl.col("session") < pl.date(2020, 1, 25)))


def test_no_thread_of_the_process_is_left_in_gradient_free_mode(
    model: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame
) -> None:
    model.predict(frame)
    assert not torch.is_inference_mode_enabled()
