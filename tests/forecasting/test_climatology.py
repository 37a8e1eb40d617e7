"""Climatology's quantiles for many rows at once are those of each row by itself, to the bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.climatology import (
    Climatology,
    ClimatologyModel,
    quantiles_of_firsts,
)
from tests.evaluation import panels

VALUES = st.lists(st.floats(-1e6, 1e6).map(lambda value: value + 0.0), min_size=1, max_size=80)
LEVELS = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=8, unique=True).map(sorted)


@given(VALUES, LEVELS, st.data())
def test_quantiles_of_the_first_values_are_numpys(values, levels, data):
    counts = data.draw(st.lists(st.integers(1, len(values)), min_size=1, max_size=10))
    values, levels = np.array(values), np.array(levels)
    q = quantiles_of_firsts(values, np.array(counts), levels)
    plain = [np.quantile(values[:count], levels, method="weibull") for count in counts]
    assert np.array_equal(q, plain)


@given(VALUES, LEVELS)
def test_values_that_are_alike_keep_their_quantiles(values, levels):
    alike = np.round(np.array(values), -5) + 0.0
    counts, levels = np.arange(1, len(alike) + 1), np.array(levels)
    plain = [np.quantile(alike[:count], levels, method="weibull") for count in counts]
    assert np.array_equal(quantiles_of_firsts(alike, counts, levels), plain)


def test_a_forecast_of_many_rows_is_that_of_each_row_by_itself():
    panel = panels.panel(weeks=160)
    rows = np.arange(400, panel.rows, 7)
    model: ClimatologyModel = Climatology().fit(panel, fold(rows)).model
    young = {row for absence in model.absences(panel, rows) for row in absence.rows}
    rows = np.array([row for row in rows if row not in young])
    together = model.predict(panel, rows)
    assert len(rows) > 50
    for n in range(len(rows)):
        alone = model.predict(panel, rows[n : n + 1])
        assert np.array_equal(together.q_NHQ[n], alone.q_NHQ[0])
        assert np.array_equal(together.up_NH[n], alone.up_NH[0])
        assert np.array_equal(together.vol_NH[n], alone.vol_NH[0])


def fold(rows):
    empty = np.array([], dtype=np.int64)
    return Fold("f", 0, empty, empty, rows)
