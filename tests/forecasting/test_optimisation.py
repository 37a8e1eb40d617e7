import copy
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cbi_pipeline.forecasting.averaging import Average, AveragingConfig
from cbi_pipeline.forecasting.clipping import ClipConfig, clip
from cbi_pipeline.forecasting.optimisers import OptimiserConfig, parameter_groups, step_unless
from cbi_pipeline.forecasting.schedules import ScheduleConfig
from cbi_pipeline.forecasting.stopping import EarlyStopping, TrainingFailed

OPTIMISERS = ("adamw", "adam", "sgd", "rmsprop")
SHAPES = ScheduleConfig.__dataclass_fields__["shape"].type.__args__


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 1))


def backward(network, poison=False):
    x = torch.randn(16, 3, generator=torch.Generator().manual_seed(1))
    loss = (network(x).squeeze(-1) - x.sum(-1)).square().mean()
    loss.backward()
    if poison:
        next(network.parameters()).grad[0, 0] = float("nan")
    return float(loss.detach())


def snapshot(network, optimiser):
    return copy.deepcopy((network.state_dict(), optimiser.state_dict()["state"]))


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return all(same(a[key], b[key]) for key in a if key in b)
    return all(same(x, y) for x, y in zip(a, b, strict=True)) if isinstance(a, tuple) else a == b


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_lowers_the_loss(name):
    network = model()
    optimiser = OptimiserConfig(name=name, rate=0.01).build([network])
    first = backward(network)
    for _ in range(60):
        step_unless(optimiser, torch.zeros(()))
        optimiser.zero_grad()
        last = backward(network)
    assert last < 0.5 * first


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("taken", [0, 2])
def test_a_broken_step_changes_neither_weights_nor_moments(name, taken):
    network = model()
    optimiser = OptimiserConfig(name=name, rate=0.01).build([network])
    twin = model()
    twin_optimiser = OptimiserConfig(name=name, rate=0.01).build([twin])
    for net, opt in ((network, optimiser), (twin, twin_optimiser)):
        for _ in range(taken):
            backward(net)
            step_unless(opt, torch.zeros(()))
            opt.zero_grad()
    backward(network, poison=True)
    step_unless(optimiser, torch.ones(()))
    optimiser.zero_grad()
    for net, opt in ((network, optimiser), (twin, twin_optimiser)):
        backward(net)
        step_unless(opt, torch.zeros(()))
    assert same(snapshot(network, optimiser), snapshot(twin, twin_optimiser))
    assert all(torch.isfinite(p).all() for p in network.parameters())


def test_only_weight_matrices_decay_and_every_parameter_is_in_one_group():
    network = nn.ModuleList([model(), nn.Embedding(5, 4), nn.LSTM(3, 4)])
    groups = parameter_groups([network], 0.1)
    decayed, plain = (group["params"] for group in groups)
    assert all(p.ndim > 1 for p in decayed)
    assert network[1].weight in set(plain)
    together = [id(p) for p in [*decayed, *plain]]
    assert sorted(together) == sorted(id(p) for p in network.parameters())
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]


@settings(max_examples=60, deadline=None)
@given(
    shape=st.sampled_from(SHAPES),
    total=st.integers(1, 300),
    warmup=st.floats(0, 0.9),
    beyond=st.integers(0, 50),
)
def test_a_schedule_gives_positive_floats_within_one_and_survives_overrun(
    shape, total, warmup, beyond
):
    schedule = ScheduleConfig(shape=shape, warmup=warmup)
    assert schedule.factor(0, total, 10) > 0 or total == 1 or shape == "cyclic"
    for step in (0, total // 2, total - 1, total + beyond):
        factor = schedule.factor(step, total, 10)
        assert isinstance(factor, float)
        assert 0.0 <= factor <= 1.0


def factors(total=100, **config):
    schedule = ScheduleConfig(**config)
    return [schedule.factor(step, total, 10) for step in range(total + 20)]


def test_warm_up_ramps_from_the_first_step_and_cosine_ends_at_its_floor():
    found = factors(warmup=0.1, floor=0.02)
    np.testing.assert_allclose(found[:10], np.arange(1, 11) / 10)
    assert found[55] == pytest.approx(0.5)
    assert found[100:] == [0.02] * 20
    assert all(a >= b for a, b in pairwise(found[10:]))


def test_a_constant_warm_up_holds_the_rate():
    assert factors(shape="constant", warmup=0.1, warmup_from=1.0) == [1.0] * 120


def test_each_schedule_follows_its_formula():
    assert factors(shape="linear", warmup=0)[50] == pytest.approx(0.5)
    exponential = ScheduleConfig(shape="exponential", warmup=0, decay=0.96)
    assert exponential.factor(2000, 4000, 10) == pytest.approx(0.9216)
    by_epoch = factors(shape="exponential_epoch", warmup=0, decay=0.95)
    assert by_epoch[29] == pytest.approx(0.95**2)
    stepped = factors(shape="step", warmup=0, decay=0.1, every=3)
    assert stepped[29:31] == pytest.approx([1.0, 0.1])
    restarts = factors(shape="restarts", warmup=0, cycles=2)
    assert restarts[50] == pytest.approx(1.0)
    assert restarts[25] == pytest.approx(0.5)
    assert restarts[100] == pytest.approx(0.0)
    inverse = factors(shape="inverse_sqrt", warmup=0.1)
    assert inverse[39] == pytest.approx(math.sqrt(10 / 40))
    cyclic = factors(shape="cyclic", warmup=0, cycles=1)
    assert cyclic[50] == pytest.approx(1.0)
    plateau = ScheduleConfig(shape="plateau", warmup=0, decay=0.3)
    assert plateau.factor(50, 100, 10, drops=2) == pytest.approx(0.09)


def test_one_cycle_rises_then_falls_and_does_not_fail_past_its_end():
    found = factors(shape="one_cycle")
    top = int(np.argmax(found))
    assert found[0] == pytest.approx(1 / 25)
    assert top in (29, 30)
    assert found[top] == pytest.approx(1.0, abs=1e-3)
    assert found[99] == pytest.approx(1e-4)
    assert found[119] == found[99]


def test_norm_clipping_returns_the_norm_before_and_leaves_the_limit_after():
    network = model()
    backward(network)
    parameters = list(network.parameters())
    expected = math.sqrt(sum(float(p.grad.square().sum()) for p in parameters))
    norm = clip(parameters, ClipConfig("norm", 0.1), frozenset())
    assert isinstance(norm, torch.Tensor)
    assert float(norm) == pytest.approx(expected, rel=1e-5)
    after = math.sqrt(sum(float(p.grad.square().sum()) for p in parameters))
    assert after == pytest.approx(0.1, rel=1e-3)


def test_value_clipping_cuts_every_element():
    network = model()
    backward(network)
    clip(list(network.parameters()), ClipConfig("value", 0.01), frozenset())
    assert max(float(p.grad.abs().max()) for p in network.parameters()) <= 0.01


def test_adaptive_clipping_also_holds_parameters_that_are_zero():
    zero = nn.Parameter(torch.zeros(4))
    zero.grad = torch.full((4,), 1e6)
    clip([zero], ClipConfig("adaptive", 0.01), frozenset())
    torch.testing.assert_close(zero.grad, torch.full((4,), 1e-5))


def test_adaptive_clipping_works_unit_by_unit_and_exempts_heads():
    weight = nn.Parameter(torch.tensor([[3.0, 4.0], [0.3, 0.4]]))
    weight.grad = torch.tensor([[0.03, 0.0], [0.03, 0.0]])
    head = nn.Parameter(torch.zeros(2, 2))
    head.grad = torch.ones(2, 2)
    clip([weight, head], ClipConfig("adaptive", 0.01), frozenset({id(head)}))
    torch.testing.assert_close(weight.grad, torch.tensor([[0.03, 0.0], [0.005, 0.0]]))
    assert torch.equal(head.grad, torch.ones(2, 2))


def test_a_nan_gradient_shows_in_the_norm():
    network = model()
    backward(network, poison=True)
    assert clip(list(network.parameters()), ClipConfig(), frozenset()).isnan()


def test_early_stopping_takes_nan_for_a_failure():
    stopping = EarlyStopping(patience=3, minimum=0.0)
    stopping.record_epoch(1.0)
    with pytest.raises(TrainingFailed, match="nan"):
        stopping.record_epoch(float("nan"))
    assert stopping.best == 1.0


def test_a_flat_loss_stops_after_the_patience():
    stopping = EarlyStopping(patience=3, minimum=0.0)
    assert stopping.record_epoch(1.0)
    assert [stopping.record_epoch(1.0) or stopping.exhausted for _ in range(3)] == [
        False,
        False,
        True,
    ]


def test_an_improvement_must_exceed_the_minimum():
    stopping = EarlyStopping(patience=3, minimum=0.1)
    assert stopping.record_epoch(1.0)
    assert not stopping.record_epoch(0.95)
    assert stopping.record_epoch(0.85)


@pytest.mark.parametrize("method", ["ema", "swa"])
def test_averaged_weights_equal_a_plain_loop(method):
    config = AveragingConfig(method=method, decay=0.8, start=0.5)
    network, history, total = model(), [], 20
    average = Average(config, network)
    expected = [p.detach().clone() for p in network.parameters()]
    for step in range(total):
        with torch.no_grad():
            for p in network.parameters():
                p.add_(0.1 * (step + 1))
        history.append([p.detach().clone() for p in network.parameters()])
        average.update(step, total)
        decay = min(0.8, (1 + step) / (10 + step))
        expected = [decay * e + (1 - decay) * p for e, p in zip(expected, history[-1], strict=True)]
    if method == "swa":
        expected = [torch.stack(p).mean(0) for p in zip(*history[10:], strict=True)]
    for found, want in zip(average.network.parameters(), expected, strict=True):
        torch.testing.assert_close(found.detach(), want)
