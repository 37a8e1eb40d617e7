"""Statistical models in the registry: whole records as example, short frames refused."""

import mlflow.pyfunc
import numpy as np
import polars as pl
import pytest

from cbi_pipeline.evaluation.models.garch import Garch
from cbi_pipeline.features import panel_from_frame
from cbi_pipeline.forecasting import PanelSpec, make_final_fold
from cbi_pipeline.forecasting.folds import without_training
from cbi_pipeline.forecasting.models.climatology import Climatology
from cbi_pipeline.forecasting.models.recipe import NO_FEATURES
from cbi_pipeline.registry import Registry
from cbi_pipeline.registry.frame import model_input
from tests.evaluation.models import blend
from tests.registry import world

SPEC = PanelSpec(NO_FEATURES, (), (), *list(vars(world.SPEC).values())[3:])
ROWS = 400


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    left_out = [*world.SPEC.features, *(f"age_{group}" for group in world.SPEC.groups)]
    return world.panel_frame(rows=ROWS).drop(left_out)


@pytest.fixture(scope="module", params=[Garch(), Climatology(), blend()], ids=lambda one: one.name)
def fitted(request, frame):
    panel = panel_from_frame(frame, SPEC)
    targets = {"target_available_RH": panel.decision_at_R[:, None].expand(-1, 2).contiguous()}
    fold = make_final_fold(
        type(panel)(SPEC, **(panel.tensors() | targets)),
        int(panel.decision_at_R.max()),
        embargo_days=1,
        validation_share=0.2,
    )
    return request.param.fit(panel, fold).model


@pytest.fixture(scope="module")
def version(fitted, frame, new_registry) -> tuple[Registry, mlflow.pyfunc.PyFuncModel]:
    registry = new_registry()
    registry.register(fitted, **world.candidate(panel_frame=frame))
    return registry, mlflow.pyfunc.load_model(str(registry.find_folder(1)))


def test_a_version_of_it_forecasts_as_the_model_does(fitted, version, frame):
    registry, served = version
    panel = panel_from_frame(frame, SPEC)
    expected = fitted.predict(panel, world.origins(panel))
    said = served.predict(model_input(frame, SPEC))
    for place, commodity in enumerate(SPEC.commodities):
        returns = said.loc[said["commodity"] == commodity, "return"].to_numpy()
        assert np.array_equal(returns, expected.q_NHQ[place].ravel())
    again = registry.load(1)
    assert again.recipe == fitted.recipe
    assert np.array_equal(again.predict(panel, world.origins(panel)).q_NHQ, expected.q_NHQ)


def test_its_example_is_the_whole_record(version):
    counts = version[1].input_example.groupby("commodity").size().to_dict()
    assert counts == {"wti": ROWS, "gasoline_mn": ROWS}


def test_the_example_of_a_long_record_is_one_commodity_and_is_kept_once(new_registry):
    left_out = [*world.SPEC.features, *(f"age_{group}" for group in world.SPEC.groups)]
    long = world.panel_frame(rows=700).drop(left_out)
    panel = panel_from_frame(long, SPEC)
    fold = without_training(int(panel.decision_at_R.max()), world.origins(panel))
    registry = new_registry()
    registry.register(Climatology().fit(panel, fold).model, **world.candidate(panel_frame=long))
    folder = registry.find_folder(1)
    served = mlflow.pyfunc.load_model(str(folder))
    assert served.input_example.groupby("commodity").size().to_dict() == {"gasoline_mn": 700}
    assert set(served.predict(served.input_example)["commodity"]) == {"gasoline_mn"}
    assert [file.name for file in folder.glob("*example*")] == ["input_example.json"]


def test_a_frame_of_fewer_rows_is_refused_by_commodity_and_number(version, frame):
    short = frame.filter(
        (pl.col("commodity") != "wti") | (pl.col("session") > pl.lit("2020-01-01").str.to_date())
    )
    count = len(short.filter(commodity="wti"))
    with pytest.raises(ValueError, match=f"wti has {count} rows, the model reads {ROWS}"):
        version[1].predict(model_input(short, SPEC))


def test_it_asks_for_no_feature(version):
    names = [column["name"] for column in version[1].metadata.get_input_schema().to_dict()]
    assert names == [
        *("commodity", "session", "decision_at", "price", "log_return"),
        *("realised_variance", "variance_ewma", "variance_long"),
    ]
