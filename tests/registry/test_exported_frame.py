"""A frame that left through a file predicts what the rows themselves predict, to the bit."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime

import mlflow.pyfunc
import numpy as np
import pandas as pd
import polars as pl
import pytest
from mlflow.exceptions import MlflowException

from cbi_pipeline.features import panel_from_frame
from cbi_pipeline.registry import cast_frame, input_types
from tests.registry import world
from tests.registry.conftest import House
from tests.registry.test_pyfunc import forecasts

Edit = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def model(house: House) -> mlflow.pyfunc.PyFuncModel:
    return mlflow.pyfunc.load_model(str(house.registry.find_folder(1)))


def exported() -> pl.DataFrame:
    return cast_frame(world.panel_frame(), input_types(world.SPEC))


def parquet(frame: pl.DataFrame) -> pd.DataFrame:
    file = io.BytesIO()
    frame.write_parquet(file)
    return pd.read_parquet(file)


def csv(frame: pl.DataFrame) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(frame.write_csv()))


def records(frame: pl.DataFrame) -> pd.DataFrame:
    return pd.read_json(io.StringIO(frame.write_json()), dtype=False, precise_float=True)


def lines(frame: pl.DataFrame) -> pd.DataFrame:
    text = io.StringIO(frame.write_ndjson())
    return pd.read_json(text, lines=True, dtype=False, precise_float=True)


FORMATS = [parquet, csv, records, lines]


@pytest.mark.parametrize("back", FORMATS)
def test_a_frame_read_back_by_pandas_predicts_the_same_to_the_bit(
    model: mlflow.pyfunc.PyFuncModel, house: House, back: Callable[[pl.DataFrame], pd.DataFrame]
) -> None:
    expected = forecasts(house)
    said = model.predict(back(exported()))
    prices = dict(world.panel_frame().group_by("commodity").agg(pl.col("price").last()).iter_rows())
    for number, commodity in enumerate(world.SPEC.commodities):
        own = said[said["commodity"] == commodity]
        returns = expected.q_NHQ[number].reshape(-1)
        assert np.array_equal(own["return"], returns)
        assert np.array_equal(own["price"], prices[commodity] * np.exp(returns))


def test_the_signature_takes_text_and_doubles_alone(model: mlflow.pyfunc.PyFuncModel) -> None:
    types = {one.name: one.type.name for one in model.metadata.signature.inputs.inputs}
    texts = {name for name, kind in types.items() if kind == "string"}
    assert texts == {"commodity", "session", "decision_at"}
    assert {kind for name, kind in types.items() if name not in texts} == {"double"}


def test_an_instant_keeps_its_microseconds_and_its_zone_is_utc() -> None:
    instant = datetime(2020, 2, 12, 4, 0, 0, 120_001, tzinfo=UTC)
    frame = world.panel_frame(1).with_columns(decision_at=pl.lit(instant))
    cast = cast_frame(frame, input_types(world.SPEC))
    assert set(cast["decision_at"]) == {"2020-02-12T04:00:00.120001Z"}
    assert set(cast["session"]) == {"2020-02-10"}


def test_the_exported_text_makes_the_same_panel_again() -> None:
    panel = panel_from_frame(exported(), world.SPEC)
    assert panel.identity() == panel_from_frame(world.panel_frame(), world.SPEC).identity()


def test_a_version_of_an_earlier_release_gets_the_types_it_was_registered_with() -> None:
    old = dict.fromkeys(input_types(world.SPEC), "float")
    old |= {"commodity": "string", "session": "datetime", "decision_at": "datetime"}
    read = parquet(cast_frame(world.panel_frame(), old | {"price": "double"}))
    assert {str(kind) for kind in read.dtypes} == {"str", "datetime64[us]", "float32", "float64"}


def objects(frame: pd.DataFrame) -> pd.DataFrame:
    """As a program builds a frame of its own: None where a number is absent, dates as dates."""
    numbers = frame.select_dtypes("float64").columns
    loose = frame.astype(dict.fromkeys(numbers, object))
    loose = loose.where(loose.notna(), None)
    return loose.assign(session=pd.to_datetime(frame["session"]).dt.date.astype(object))


@pytest.mark.parametrize(
    "edit",
    [
        objects,
        lambda f: f.sample(frac=1, random_state=1),
        lambda f: f.assign(note="x")[["note", *reversed(f.columns)]],
        lambda f: f.assign(decision_at=f["decision_at"].str.replace("Z", "+00:00")),
        lambda f: f.assign(decision_at=f["decision_at"].str.replace("Z", "")),
        lambda f: f.assign(session=f["session"].str.replace("-", "")),
    ],
    ids=["objects", "rows mixed", "columns mixed", "offset", "no zone", "basic days"],
)
def test_how_the_frame_is_held_changes_nothing(
    model: mlflow.pyfunc.PyFuncModel, edit: Edit
) -> None:
    frame = csv(exported())
    pd.testing.assert_frame_equal(
        model.predict(edit(frame)), model.predict(frame), check_exact=True
    )


def changed(name: str, value: object) -> Edit:
    def edit(frame: pd.DataFrame) -> pd.DataFrame:
        loose = frame.astype({name: object})
        loose.loc[loose.index[3], name] = value
        return loose

    return edit


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (changed("session", "soon"), r"wti, session soon: session is 'soon'; .* ISO day"),
        (changed("session", None), r"wti, session (nan|None): session is (nan|None); .* ISO day"),
        (changed("session", 18302), r"wti, session 18302: session is 18302; .* ISO day"),
        (changed("session", "2020-01-05T07:00"), r"wti, session .*a day without a time"),
        (changed("decision_at", "?"), r"wti, session .*: decision_at is '\?'; .* ISO instant"),
        (changed("commodity", None), r"commodities \['(None|nan)'\] are unknown"),
        (changed("momentum", np.inf), r"wti, session .*: momentum is inf; .* finite"),
        (changed("age_own", 1e300), r"wti, session .*: age_own is 1e\+300; .* finite"),
    ],
)
def test_one_cell_that_cannot_be_used_is_named(
    model: mlflow.pyfunc.PyFuncModel, edit: Edit, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        model.predict(edit(csv(exported())))


@pytest.mark.parametrize("kind", ["int64", "bool"])
def test_a_column_of_another_type_is_refused_by_name(
    model: mlflow.pyfunc.PyFuncModel, kind: str
) -> None:
    frame = csv(exported())
    with pytest.raises(MlflowException, match="column momentum"):
        model.predict(frame.assign(momentum=pd.Series(range(len(frame))).astype(kind)))
