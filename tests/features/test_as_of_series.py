"""A series read at many instants equals a replay of its versions up to each of them."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.features.as_of_series import VintageSeries, cut_segments, read

VERSION = st.tuples(
    st.integers(0, 12),
    st.integers(0, 9),
    st.floats(1, 9).map(lambda x: round(x, 1)) | st.just(float("nan")),
    st.booleans(),
)


def versions(told: list) -> VintageSeries:
    available, period, value, assumed = zip(*told, strict=True) if told else ((), (), (), ())
    return VintageSeries(
        period=np.array(period, dtype=np.int64),
        available=np.array(available, dtype=np.int64),
        value=np.array(value, dtype=np.float64),
        assumed=np.array(assumed, dtype=np.bool_),
    )


def running_sum(_: np.ndarray, value: np.ndarray) -> np.ndarray:
    return np.cumsum(value)[:, None]


def replay(told: list, instant: int) -> dict:
    state = {}
    for available, period, value, assumed in told:
        if available <= instant:
            state[period] = (value, available, assumed)
    return dict(sorted((p, cell) for p, cell in state.items() if cell[0] == cell[0]))


@given(st.lists(VERSION, max_size=25), st.booleans())
@settings(max_examples=200, deadline=None)
def test_reading_equals_replaying(told, newest):
    told = sorted(told, key=lambda version: version[:2])
    instants, periods = np.repeat(np.arange(-1, 14), 10), np.tile(np.arange(10), 15)
    reading = read(versions(told), running_sum, 1, instants, None if newest else periods)
    for i, (instant, period) in enumerate(zip(instants.tolist(), periods.tolist(), strict=True)):
        state = replay(told, instant)
        asked = max(state, default=None) if newest else period
        assert reading.has_value[i] == (asked in state)
        if asked in state:
            value, published, assumed = state[asked]
            past = np.array([cell[0] for p, cell in state.items() if p <= asked])
            assert reading.raw[i] == value
            assert reading.published[i] == published
            assert reading.assumed[i] == assumed
            assert reading.values[i, 0] == np.cumsum(past)[-1]


def test_a_record_that_only_grows_is_one_segment():
    told = [(at, period, 1.0, False) for at in range(5) for period in (2 * at, 2 * at + 1)]
    assert len(cut_segments(versions(told))) == 1


def test_a_correction_begins_a_new_segment():
    told = [(0, 1, 1.0, False), (1, 2, 1.0, False), (2, 1, 5.0, False)]
    assert [piece.start for piece in cut_segments(versions(told))] == [0, 2]


def test_a_version_that_was_overtaken_before_it_was_public_is_never_read():
    at = pl.Series([1, 40, 7], dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    frame = pl.DataFrame(
        {
            "version": [1, 2, 3],
            "available_at": at,
            "available_basis": "first_seen",
            "period": 5,
            "value": [1.0, 2.0, 3.0],
        }
    )
    series = VintageSeries.from_frame(frame, pl.col("period"), pl.col("value"))
    instants = np.array([1, 6, 7, 39, 40, 90])
    assert read(series, running_sum, 1, instants).raw.tolist() == [1.0, 1.0, 3.0, 3.0, 3.0, 3.0]
