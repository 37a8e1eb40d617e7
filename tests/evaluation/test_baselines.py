import numpy as np
import pytest
from scipy import stats

from cbi_pipeline.catalogue import NAIVE
from cbi_pipeline.evaluation import Rolling, estimator_of
from cbi_pipeline.evaluation.models.ewma import Ewma, unit_t
from cbi_pipeline.forecasting import DEFAULT_LEVELS, fit
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.climatology import Climatology
from cbi_pipeline.forecasting.models.prior import Prior
from tests.evaluation import panels
from tests.evaluation.models import baselines
from tests.recipes import tiny, untrained_network


def fold(panel, rows):
    empty = np.array([], dtype=np.int64)
    return Fold("f", 0, empty, empty, np.asarray(rows, dtype=np.int64))


@pytest.fixture(scope="module")
def panel():
    return panels.panel(weeks=160)


def test_climatology_is_the_rank_quantile_of_returns_public_at_the_origin(panel):
    rows = [500, 799, 900]
    climatology = Climatology()
    forecasts = climatology.forecast(panel, fold(panel, rows), None)
    commodity, decision = panel.commodity_R.numpy(), panel.decision_at_R.numpy()
    for n, row in enumerate(rows):
        for h in range(2):
            past = sorted(
                float(panel.target_RH[r, h])
                for r in range(panel.rows)
                if commodity[r] == commodity[row]
                and panel.target_mask_RH[r, h]
                and panel.target_available_RH[r, h] <= decision[row]
            )
            for level, value in zip(climatology.levels, forecasts.q_NHQ[n, h], strict=True):
                position = min(max(level * (len(past) + 1), 1), len(past)) - 1
                below = int(position)
                above = min(below + 1, len(past) - 1)
                expected = past[below] + (position - below) * (past[above] - past[below])
                assert value == pytest.approx(expected)
            assert forecasts.up_NH[n, h] == np.mean([value > 0 for value in past])


def test_climatology_never_reads_returns_of_the_future(panel):
    longer, shorter = panels.panel(weeks=160), panels.panel(weeks=160, until=130)
    row = np.flatnonzero(shorter.commodity_R.numpy() == 0)[-1]
    one, other = (Climatology().forecast(of, fold(of, [row]), None) for of in (longer, shorter))
    assert np.array_equal(one.q_NHQ, other.q_NHQ)


def test_climatology_covers_exchangeable_returns_at_its_levels():
    rng = np.random.default_rng(0)
    past, fresh = rng.standard_normal((40, 20_000)), rng.standard_normal(20_000)
    below = fresh <= np.quantile(past, 0.05, axis=0, method="weibull")
    assert below.mean() == pytest.approx(0.05, abs=0.006)


def test_climatology_sits_out_where_too_few_returns_were_public(panel):
    climatology = Climatology()
    (absence,) = climatology.absences(panel, fold(panel, [39, 400]))
    assert (absence.commodity, absence.rows.tolist()) == ("daily", [39])
    assert "20 past returns at 1m were public" in absence.reason
    assert "it needs 40" in absence.reason


def test_ewma_is_a_unit_t_stretched_by_the_root_of_the_sessions(panel):
    forecasts = Ewma().forecast(panel, fold(panel, [400, 850]), None)
    for n, steps in enumerate(panels.STEPS.values()):
        for h, count in enumerate(steps):
            scale = np.sqrt(count * 1e-4)
            expected = scale * stats.t.ppf(Ewma().levels, 6) / np.sqrt(1.5)
            assert forecasts.q_NHQ[n, h] == pytest.approx(expected, rel=1e-6)
            assert forecasts.vol_NH[n, h] == pytest.approx(scale, rel=1e-6)
    assert (forecasts.up_NH == 0.5).all()


def test_the_unit_t_has_unit_variance():
    levels = tuple((np.arange(200_000) + 0.5) / 200_000)
    assert np.var(unit_t(levels)) == pytest.approx(1.0, abs=2e-3)


def test_the_prior_is_the_untrained_anchored_network_itself(panel):
    prior = Prior()
    train = np.arange(320, 600)
    given = Fold("f", 0, train, np.arange(600, 700), np.array([750, 799]))
    one = prior.forecast(panel, given, None)
    fitted = fit(untrained_network("f-1"), panel, train, given.validation_rows).forecaster
    other = fitted.predict(panel, given.test_rows)
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_prior_uses_half_of_each_variance(panel):
    prior = Prior()
    given = Fold("f", 0, np.arange(320, 600), np.arange(600, 700), np.array([750]))
    forecasts = prior.forecast(panel, given, None)
    assert forecasts.vol_NH[0] == pytest.approx(np.sqrt(np.array([5, 20]) * 1e-4), rel=1e-5)
    assert forecasts.up_NH[0] == pytest.approx(0.5)
    assert forecasts.q_NHQ[0, 0, DEFAULT_LEVELS.index(0.5)] == 0.0


@pytest.mark.slow
def test_a_rolling_recipe_is_trained_on_its_newest_years_alone(panel):
    given = Fold(
        "f", int(panel.decision_at_R[700]), np.arange(300, 600), np.arange(600, 700), [750]
    )
    rolling = Rolling(tiny("f-1"), estimator_of(tiny("f-1")), 1)
    expanding = estimator_of(tiny("f-1"))
    decision = panel.decision_at_R.numpy()
    newest = np.arange(300, 600)[decision[300:600] > given.refit_at_us - 365.25 * panels.DAY_US]
    assert 0 < len(newest) < 300
    alone = Fold("f", given.refit_at_us, newest, given.validation_rows, given.test_rows)
    q = rolling.forecast(panel, given, None).q_NHQ
    assert np.array_equal(q, expanding.forecast(panel, alone, None).q_NHQ)
    assert not np.array_equal(q, expanding.forecast(panel, given, None).q_NHQ)
    assert rolling.identity() != expanding.identity() == tiny("f-1").identity()


def test_the_baselines_carry_the_names_the_gate_asks_for():
    assert tuple(one.name for one in baselines()) == NAIVE
