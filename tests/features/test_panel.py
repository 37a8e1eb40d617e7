"""The panel and the long frame hold the same rows, as known at an instant."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch

from cbi_pipeline.features import panel_frame, panel_from_frame, panel_spec
from cbi_pipeline.features.feature_sets import CORE_1
from cbi_pipeline.forecasting.panel import NEVER
from tests.features.detector import Record, micros
from tests.features.records import CATALOGUE, observations

SPEC = panel_spec(CATALOGUE, CORE_1)
AS_OF = datetime(2018, 3, 1, 4, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1).date()


@pytest.fixture(scope="module")
def record() -> Record:
    recent = pl.col("period") >= datetime(2014, 1, 1).date()
    return Record(observations().filter(recent))


@pytest.fixture(scope="module")
def known(record):
    return record.panel(AS_OF)


def test_it_holds_the_rows_decided_by_then_in_catalogue_order(record, known):
    rows = record.rows.filter(pl.col("decision_at") <= AS_OF)
    decided = pl.concat(rows.filter(commodity=name) for name in SPEC.commodities)
    assert known.rows == len(decided)
    names = [SPEC.commodities[c] for c in known.commodity_R.tolist()]
    days = [EPOCH + timedelta(days=d) for d in known.session_R.tolist()]
    assert list(zip(names, days, strict=True)) == decided.select("commodity", "session").rows()
    present = decided.select(pl.col(CORE_1.features).is_not_null())
    assert (known.mask_RF.numpy() == present.to_numpy()).all()


def test_it_holds_the_targets_public_by_then_and_masks_the_rest(record, known):
    public = record.targets.filter(pl.col("available_at") <= AS_OF)
    assert int(known.target_mask_RH.sum()) == len(public)
    assert int(known.target_available_RH[known.target_mask_RH].max()) <= micros(AS_OF)
    assert (known.target_available_RH[~known.target_mask_RH] == NEVER).all()
    sample = public.sample(50, seed=1)
    for target in sample.iter_rows(named=True):
        code = SPEC.commodities.index(target["commodity"])
        day = (target["session"] - EPOCH).days
        row = ((known.commodity_R == code) & (known.session_R == day)).nonzero().item()
        column = SPEC.steps[code].index(target["horizon"])
        assert known.target_RH[row, column] == np.float32(target["value"])


def test_a_place_in_joint_mode_is_the_newest_row_of_each_commodity_then(known):
    decision, session = known.decision_at_R.numpy(), known.session_R.numpy()
    moments = sorted(set(zip(decision.tolist(), session.tolist(), strict=True)))
    assert known.pos_DC.shape == (len(moments), 2)
    for line in range(0, len(moments), 37):
        for code in range(2):
            own = [
                row
                for row in range(known.rows)
                if known.commodity_R[row] == code
                and (int(decision[row]), int(session[row])) <= moments[line]
            ]
            row = own[-1] if own else -1
            if row >= 0 and moments[line][0] - decision[row] > 31 * 86_400_000_000:
                row = -1
            assert known.pos_DC[line, code] == row


def test_every_row_has_a_place_in_joint_mode(known):
    assert set(known.pos_DC[known.pos_DC >= 0].tolist()) == set(range(known.rows))


def test_the_long_frame_gives_back_the_panel_without_its_targets(record, known):
    frame = panel_frame(record.rows, record.prices, SPEC, AS_OF)
    back = panel_from_frame(frame.sample(fraction=1, shuffle=True, seed=3), SPEC)
    for name, tensor in known.tensors().items():
        if not name.startswith("target"):
            torch.testing.assert_close(
                tensor, back.tensors()[name], rtol=0, atol=0, equal_nan=True, msg=name
            )
    assert not back.target_mask_RH.any()


def test_the_long_frame_survives_parquet_and_pandas(record, known, tmp_path):
    frame = panel_frame(record.rows, record.prices, SPEC, AS_OF)
    frame.write_parquet(tmp_path / "panel.parquet")
    from_file = panel_from_frame(pl.read_parquet(tmp_path / "panel.parquet"), SPEC)
    from_pandas = panel_from_frame(pl.from_pandas(frame.to_pandas()), SPEC)
    assert from_file.identity() == from_pandas.identity()


def test_the_long_frame_shows_absent_features_and_short_histories_as_null(record):
    frame = panel_frame(record.rows, record.prices, SPEC)
    assert frame.columns[:8] == [
        "commodity",
        "session",
        "decision_at",
        "price",
        "log_return",
        "realised_variance",
        "variance_ewma",
        "variance_long",
    ]
    first = frame.row(0, named=True)
    assert first["return_1"] is None
    assert first["log_return"] is None
    assert first["variance_ewma"] is None
    assert frame.schema["return_1"] == pl.Float32


def test_a_frame_without_a_column_is_refused_by_name(record):
    frame = panel_frame(record.rows, record.prices, SPEC)
    with pytest.raises(ValueError, match="return_5"):
        panel_from_frame(frame.drop("return_5"), SPEC)


def test_a_frame_with_an_unknown_commodity_is_refused_by_name(record):
    frame = panel_frame(record.rows, record.prices, SPEC).with_columns(commodity=pl.lit("copper"))
    with pytest.raises(ValueError, match="copper"):
        panel_from_frame(frame, SPEC)


def test_a_panel_before_the_first_rows_is_refused(record):
    with pytest.raises(ValueError, match="at least two"):
        record.panel(datetime(2000, 1, 1, tzinfo=UTC))
