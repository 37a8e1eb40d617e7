import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from cbi_pipeline.forecasting.losses import direction, distribution, point, trading
from cbi_pipeline.forecasting.losses.objective import LossName, ObjectiveConfig, Term
from cbi_pipeline.forecasting.networks.output import Output

LEVELS = (0.1, 0.5, 0.9)


def draw(*shape, seed=0, positive=False):
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (x.abs() + 0.1 if positive else x).requires_grad_()


ACTUAL = draw(4, 3, seed=9).detach()
LOSSES = {
    "squared": lambda f: point.squared_error(f - ACTUAL),
    "absolute": lambda f: point.absolute_error(f - ACTUAL),
    "huber": lambda f: point.huber(f - ACTUAL, 0.7),
    "log_cosh": lambda f: point.log_cosh(f - ACTUAL),
    "directional": lambda f: direction.directional(f, ACTUAL, alpha=0.3),
    "direction": lambda f: direction.direction(torch.sigmoid(f), ACTUAL),
    "sharpe": lambda f: trading.sharpe(f, ACTUAL, torch.ones_like(ACTUAL, dtype=torch.bool)),
    "gaussian_mean": lambda f: distribution.gaussian(f, torch.ones_like(f), ACTUAL),
    "gaussian_scale": lambda f: distribution.gaussian(torch.zeros_like(f), f.exp(), ACTUAL),
    "student_mean": lambda f: distribution.student_t(f, torch.ones_like(f), ACTUAL),
    "student_scale": lambda f: distribution.student_t(torch.zeros_like(f), f.exp(), ACTUAL),
    "qlike": lambda f: distribution.qlike(f.exp(), ACTUAL.square()),
}


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_the_gradient_of_its_values(name):
    assert gradcheck(LOSSES[name], (draw(4, 3, seed=2),))


def test_the_pinball_loss_has_the_gradient_of_its_values():
    levels = torch.tensor(LEVELS, dtype=torch.float64)
    assert gradcheck(lambda q: distribution.pinball(q, ACTUAL, levels), (draw(4, 3, 3, seed=2),))


@pytest.mark.parametrize("name", LOSSES)
def test_no_loss_has_a_vanishing_gradient(name):
    forecast = draw(4, 3, seed=2)
    LOSSES[name](forecast).sum().backward()
    assert torch.all(forecast.grad != 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_pinball_equals_the_plain_formula(seed):
    rng = np.random.default_rng(seed)
    q, y = np.sort(rng.standard_normal((5, 3))), rng.standard_normal(5)
    expected = [
        np.mean([max(t * (a - b), (t - 1) * (a - b)) for t, b in zip(LEVELS, line, strict=True)])
        for line, a in zip(q, y, strict=True)
    ]
    found = distribution.pinball(torch.tensor(q), torch.tensor(y), torch.tensor(LEVELS).double())
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_pinball_refuses_what_would_broadcast():
    q, levels = torch.zeros(6, 3), torch.tensor(LEVELS)
    with pytest.raises(ValueError, match="pinball: quantiles"):
        distribution.pinball(q, torch.zeros(6, 1), levels)
    with pytest.raises(ValueError, match="pinball: quantiles"):
        distribution.pinball(torch.zeros(6, 5), torch.zeros(6), levels)


def test_the_pinball_minimiser_is_the_quantile():
    y = torch.tensor(np.random.default_rng(0).standard_normal(4001))
    grid = torch.linspace(-2, 2, 801, dtype=torch.float64)
    for level in LEVELS:
        one = torch.tensor([level], dtype=torch.float64)
        losses = [distribution.pinball(torch.full((4001, 1), g), y, one).mean() for g in grid]
        best = float(grid[int(torch.stack(losses).argmin())])
        assert best == pytest.approx(float(y.quantile(level)), abs=0.01)


def test_likelihoods_equal_scipy():
    mean, scale = torch.tensor([0.3]), torch.tensor([1.7])
    y = torch.tensor([0.9])
    normal = -scipy.stats.norm.logpdf(0.9, 0.3, 1.7)
    student = -(scipy.stats.t.logpdf((0.9 - 0.3) / 1.7 * math.sqrt(1.5), 6, 0, 1))
    student -= math.log(math.sqrt(1.5) / 1.7)
    assert float(distribution.gaussian(mean, scale, y)) == pytest.approx(normal, rel=1e-6)
    assert float(distribution.student_t(mean, scale, y)) == pytest.approx(student, rel=1e-6)


def test_the_qlike_minimiser_is_the_mean_variance_and_zero_returns_are_fine():
    realised = torch.tensor([0.0, 1.0, 5.0])
    grid = torch.linspace(0.5, 4, 701)
    losses = [distribution.qlike(g.sqrt().expand(3), realised).mean() for g in grid]
    assert float(grid[int(torch.stack(losses).argmin())]) == pytest.approx(2.0, abs=0.01)


def test_log_cosh_does_not_overflow():
    errors = torch.tensor([-1e4, 0.0, 1e4])
    torch.testing.assert_close(
        point.log_cosh(errors), torch.tensor([1e4 - math.log(2), 0.0, 1e4 - math.log(2)])
    )


def test_the_direction_part_pulls_towards_the_sign_of_the_return():
    forecast = torch.zeros(2, requires_grad=True)
    direction.directional(forecast, torch.tensor([0.5, -0.5]), alpha=1.0).sum().backward()
    assert forecast.grad[0] < 0 < forecast.grad[1]


def test_alpha_is_the_weight_of_the_direction_part():
    forecast, actual = torch.tensor([0.4]), torch.tensor([-0.6])
    assert float(direction.directional(forecast, actual, alpha=0.0)) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="alpha"):
        direction.directional(forecast, actual, alpha=1.5)


def test_one_commodity_and_one_horizon_have_a_direction():
    loss = direction.directional(torch.tensor([[0.2]]), torch.tensor([[0.1]]))
    assert torch.isfinite(loss).all()


def test_a_flat_return_is_neither_a_hit_nor_a_miss():
    flat = torch.zeros(2)
    up = torch.tensor([0.9, 0.1])
    losses = direction.direction(up, flat)
    assert losses[0] == pytest.approx(float(losses[1]))
    assert float(direction.direction(torch.tensor([0.5]), flat[:1])) == pytest.approx(math.log(2))


def test_a_nan_probability_stays_a_nan_and_certainty_has_a_finite_gradient():
    assert direction.direction(torch.tensor([float("nan")]), torch.ones(1)).isnan().all()
    up = torch.tensor([0.0, 1.0], requires_grad=True)
    direction.direction(up, torch.tensor([1.0, 1.0])).sum().backward()
    assert torch.isfinite(up.grad).all()


def test_adding_a_constant_to_the_forecast_does_not_help_the_sharpe_loss():
    generator = torch.Generator().manual_seed(0)
    actual = torch.randn(4000, generator=generator)
    actual = actual - actual.mean()
    mask = torch.ones(4000, dtype=torch.bool)
    skilled = trading.sharpe(actual + torch.randn(4000, generator=generator), actual, mask)
    for offset in (1.0, 10.0, 1e4):
        assert trading.sharpe(torch.full((4000,), offset), actual, mask) > -0.05
        shifted = trading.sharpe(actual + offset, actual, mask)
        assert torch.isfinite(shifted)
        assert shifted > trading.sharpe(actual, actual, mask)
    assert skilled < -0.3


def test_the_sharpe_loss_of_two_entries_is_finite():
    mask = torch.ones(2, dtype=torch.bool)
    assert torch.isfinite(trading.sharpe(torch.zeros(2), torch.tensor([0.1, 0.2]), mask))


def output(seed=0, horizons=2):
    q = draw(5, horizons, 1, 3, seed=seed).detach().sort(-1).values
    up = torch.sigmoid(draw(5, horizons, 1, seed=seed + 1).detach())
    vol = draw(5, horizons, 1, seed=seed + 2, positive=True).detach()
    return Output(q.float(), up.float(), vol.float())


@pytest.mark.parametrize("loss", LossName.__args__)
def test_masked_targets_never_count_even_when_they_are_nan(loss):
    objective = ObjectiveConfig((Term(loss),)).build(LEVELS)
    y = torch.linspace(-1, 1, 10).view(5, 2, 1)
    mask = torch.ones_like(y, dtype=torch.bool)
    mask[2] = False
    poisoned = torch.where(mask, y, float("nan"))
    prior = torch.full_like(y, 0.3)
    clean = objective(output(), torch.where(mask, y, 7.0), mask, prior, mask.sum())
    assert torch.isfinite(clean)
    assert torch.equal(clean, objective(output(), poisoned, mask, prior, mask.sum()))


def test_weights_multiply_their_terms():
    y = torch.linspace(-1, 1, 10).view(5, 2, 1)
    mask, prior = torch.ones_like(y, dtype=torch.bool), torch.ones_like(y)

    def total(*terms):
        objective = ObjectiveConfig(terms).build(LEVELS)
        return float(objective(output(), y, mask, prior, mask.sum()))

    both = total(Term("pinball", 2.0), Term("absolute", 0.5))
    assert both == pytest.approx(2.0 * total(Term("pinball")) + 0.5 * total(Term("absolute")))


def test_learnt_trust_falls_for_the_noisier_term_and_no_term_is_divided_by_itself():
    y = torch.linspace(-9, 9, 10).view(5, 2, 1)
    mask, prior = torch.ones_like(y, dtype=torch.bool), torch.ones_like(y)
    config = ObjectiveConfig((Term("pinball"), Term("squared")), uncertainty=True)
    objective = config.build(LEVELS)
    optimiser = torch.optim.Adam(objective.parameters(), lr=0.05)
    for _ in range(700):
        optimiser.zero_grad()
        objective(output(), y, mask, prior, mask.sum()).backward()
        optimiser.step()
    losses = [t.mean().item() for t in objective.terms(output(), y, mask, prior)]
    trusted = [math.exp(s.item()) for s in objective.log_trust]
    np.testing.assert_allclose(trusted, losses, rtol=0.05)
    q = output().q_BHCQ.requires_grad_()
    objective(output()._replace(q_BHCQ=q), y, mask, prior, mask.sum()).backward()
    assert q.grad.abs().sum() > 0


def test_a_target_of_another_shape_is_refused():
    objective = ObjectiveConfig().build(LEVELS)
    y = torch.zeros(5, 1, 2)
    with pytest.raises(ValueError, match="target_BHC"):
        objective(output(), y, y > -1, y + 1, torch.tensor(10))


def test_every_loss_is_free_of_the_prior_scale():
    y = torch.linspace(-1, 1, 10).view(5, 2, 1)
    mask = torch.ones_like(y, dtype=torch.bool)
    for loss in LossName.__args__:
        objective = ObjectiveConfig((Term(loss),)).build(LEVELS)
        one = objective(output(), y, mask, torch.ones_like(y), mask.sum())
        scaled = output()._replace(q_BHCQ=output().q_BHCQ * 8, vol_BHC=output().vol_BHC * 8)
        two = objective(scaled, y * 8, mask, torch.full_like(y, 8.0), mask.sum())
        assert float(one) == pytest.approx(float(two), rel=1e-5)


def test_a_term_needs_a_positive_weight_and_appears_once():
    with pytest.raises(ValueError, match=r"Term\.weight takes a number above 0; got 0.0"):
        Term("pinball", 0.0)
    with pytest.raises(ValueError, match="each once"):
        ObjectiveConfig((Term("pinball"), Term("pinball")))
