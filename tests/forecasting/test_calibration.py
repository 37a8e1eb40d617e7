"""A calibration moves whole distributions, and nothing that it has no move for."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbi_pipeline.forecasting import Calibration, Forecasts, read_calibration
from cbi_pipeline.forecasting.calibration import Move

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
NAMES, STEPS = ("wti", "gasoline"), ((5, 21), (1, 4))
moves = st.builds(
    Move,
    width=st.floats(0.2, 4.0),
    pull=st.floats(-1.0, 1.0),
    base_rate=st.floats(0.0, 1.0),
    independent=st.integers(0, 5000),
)
calibrations = st.builds(
    Calibration, st.dictionaries(st.sampled_from(NAMES), st.dictionaries(st.integers(1, 70), moves))
)


def forecasts(seed=0):
    rng = np.random.default_rng(seed)
    q_NHQ = np.sort(rng.normal(0, 0.1, (2, 2, len(LEVELS))), axis=-1)
    return Forecasts(q_NHQ, rng.uniform(0, 1, (2, 2)), rng.uniform(0.1, 1, (2, 2)))


@given(calibration=calibrations, seed=st.integers(0, 99))
def test_quantiles_never_cross_and_chances_stay_chances(calibration, seed):
    moved = calibration.apply(forecasts(seed), LEVELS, NAMES, STEPS)
    assert (np.diff(moved.q_NHQ) >= 0).all()
    assert ((moved.up_NH >= 0) & (moved.up_NH <= 1)).all()


@given(calibration=calibrations)
def test_what_it_has_no_move_for_keeps_every_bit(calibration):
    plain = forecasts()
    moved = calibration.apply(plain, LEVELS, NAMES, STEPS)
    for n, (name, own) in enumerate(zip(NAMES, STEPS, strict=True)):
        for h, step in enumerate(own):
            if step not in calibration.moves.get(name, {}):
                for before, after in zip(plain, moved, strict=True):
                    assert np.array_equal(before[n, h], after[n, h])


@given(calibration=calibrations)
def test_it_is_read_back_equal_from_its_file(calibration, tmp_path_factory):
    file = tmp_path_factory.mktemp("calibration") / "calibration.json"
    file.write_text(json.dumps(calibration.describe()))
    assert read_calibration(file) == calibration
    assert read_calibration(file).identity() == calibration.identity()


def test_a_version_that_brings_none_is_not_moved(tmp_path):
    assert read_calibration(tmp_path / "calibration.json") == Calibration()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"wti": 1}', '{"wti": {"x": {}}}', '{"wti": {"5": {"a": 1}}}']
)
def test_another_file_is_refused_by_its_name(tmp_path, text):
    file = tmp_path / "calibration.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"calibration\.json holds no calibration"):
        read_calibration(file)
