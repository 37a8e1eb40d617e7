import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.stats
import torch

from cbi_pipeline.forecasting import DEFAULT_LEVELS, Network, PanelSpec, Recipe, student, windows
from cbi_pipeline.forecasting.config import compose
from cbi_pipeline.forecasting.networks.cross import CrossConfig
from cbi_pipeline.forecasting.networks.encoder import EncoderConfig
from cbi_pipeline.forecasting.networks.heads import HeadConfig
from cbi_pipeline.forecasting.networks.lstm_attention import RecipeConfig
from cbi_pipeline.forecasting.networks.mlp import MlpConfig
from cbi_pipeline.forecasting.networks.nhits import NhitsConfig, interpolation
from cbi_pipeline.forecasting.networks.patch_transformer import PatchTransformerConfig
from cbi_pipeline.forecasting.networks.recurrent import RecurrentConfig
from cbi_pipeline.forecasting.networks.tcn import TcnConfig

ENCODERS = {
    "gru": RecurrentConfig(cell="gru", hidden=6),
    "lstm": RecurrentConfig(cell="lstm", hidden=6, layers=2, dropout=0.1),
    "rnn": RecurrentConfig(cell="rnn", hidden=6),
    "bilstm": RecurrentConfig(cell="bilstm", hidden=6),
    "recipe": RecipeConfig(extractor=12, hidden=16, layers=2, heads=4),
    "recipe_without_attention": RecipeConfig(extractor=12, hidden=16, layers=1, attention=False),
    "mlp": MlpConfig(hidden=12),
    "tcn": TcnConfig(hidden=8, blocks=2),
    "patch_transformer": PatchTransformerConfig(hidden=8, heads=2, patch=5),
    "nhits": NhitsConfig(hidden=12, state=3, pools=(5, 1)),
    "cross": CrossConfig(encoder=RecurrentConfig(hidden=8), heads=2),
}
MODES = ("pooled", "joint")


def build(name: str, panel, window=12, anchored=True, levels=DEFAULT_LEVELS, **head) -> Network:
    torch.manual_seed(1)
    network = Network(
        ENCODERS[name], HeadConfig(anchored=anchored, **head), levels, panel.spec, window
    )
    return network.prepare(panel, torch.arange(10, 480)).eval()


def some_inputs(panel, mode, window=12):
    make = windows.pooled_sampler if mode == "pooled" else windows.joint_sampler
    sampler = make(panel, window, torch.tensor([20, 60, 200, 399, 420, 460]))
    return sampler.inputs(torch.arange(len(sampler)))


def expected_prior(network: Network, inputs: windows.Inputs, levels):
    """The prior by hand, in float64: sqrt(steps * mean variance) times standardised t quantiles."""
    z = scipy.stats.t.ppf(levels, 6) / np.sqrt(1.5)
    steps = network.steps_CH.numpy()[inputs.commodity_BC.numpy()].transpose(0, 2, 1)
    scale = np.sqrt(steps * inputs.variance_BC2.double().mean(-1).numpy()[:, None, :])
    return scale[..., None] * z, scale


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ENCODERS)
def test_untrained_and_anchored_a_network_is_the_prior(name, mode, panel):
    network, inputs = build(name, panel), some_inputs(panel, mode)
    output = network(inputs)
    q, scale = expected_prior(network, inputs, DEFAULT_LEVELS)
    np.testing.assert_allclose(output.q_BHCQ.detach().numpy(), q, rtol=2e-6, atol=1e-12)
    assert torch.all(output.up_BHC == 0.5)
    np.testing.assert_allclose(output.vol_BHC.detach().numpy(), scale, rtol=2e-6)


@pytest.mark.parametrize("mode", MODES)
def test_untrained_anchored_networks_agree_to_the_bit(mode, panel):
    inputs = some_inputs(panel, mode)
    outputs = [build(name, panel)(inputs) for name in ENCODERS]
    for other in outputs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(outputs[0], other, strict=True))


@pytest.mark.parametrize("anchored", [True, False])
@pytest.mark.parametrize("name", ENCODERS)
def test_quantiles_never_cross_whatever_the_weights(name, anchored, panel):
    network = build(name, panel, anchored=anchored)
    generator = torch.Generator().manual_seed(3)
    for parameter in network.parameters():
        parameter.data = 3 * torch.randn(parameter.shape, generator=generator)
    output = network(some_inputs(panel, "pooled"))
    assert torch.all(output.q_BHCQ.diff(dim=-1) >= 0)
    assert torch.all(output.vol_BHC > 0)
    assert torch.all((output.up_BHC >= 0) & (output.up_BHC <= 1))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ENCODERS)
def test_the_newest_row_alone_moves_the_first_horizon(name, mode, panel):
    network = build(name, panel, anchored=False, newest=False)
    inputs = some_inputs(panel, mode)
    values = inputs.values_BTCF.clone()
    values[:, -1] += 1.0
    moved = network(inputs._replace(values_BTCF=values, mask_BTCF=inputs.mask_BTCF | True))
    still = network(inputs._replace(mask_BTCF=inputs.mask_BTCF | True))
    assert torch.all((moved.q_BHCQ[:, 0] != still.q_BHCQ[:, 0]).any(-1))


@pytest.mark.parametrize("name", ENCODERS)
def test_every_head_gets_a_gradient(name, panel):
    network = build(name, panel).train()
    for parameter in network.parameters():
        parameter.data += 0.01
    sampler = windows.pooled_sampler(panel, 12, torch.arange(20, 60))
    batch = sampler.batch(torch.arange(40))
    from cbi_pipeline.forecasting.losses.objective import ObjectiveConfig

    objective = ObjectiveConfig().build(DEFAULT_LEVELS)
    loss = objective(
        network(batch.inputs),
        batch.target_BHC,
        batch.weight_BHC,
        network.prior_scale(batch.inputs),
        batch.weight_BHC.sum(),
    )
    loss.backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent


def test_the_probability_of_a_rise_is_the_distributions_own(panel):
    network = build("gru", panel)
    network.heads.last.bias.data[0] = 0.4  # a shift of 0.4 prior scales at the first horizon
    output = network(some_inputs(panel, "pooled"))
    own = scipy.stats.t.cdf(0.4 * np.sqrt(1.5), 6)
    np.testing.assert_allclose(output.up_BHC[:, 0].detach().numpy(), own, rtol=1e-5)


def test_the_student_distribution_agrees_with_scipy():
    z = torch.linspace(-6, 6, 101, dtype=torch.float64)
    unit = np.sqrt(1.5)
    np.testing.assert_allclose(student.cdf(z), scipy.stats.t.cdf(z * unit, 6), atol=1e-14)
    density = scipy.stats.t.logpdf(z * unit, 6) + np.log(unit)
    np.testing.assert_allclose(student.log_density(z), density, atol=1e-12)
    levels = (0.001, 0.3, 0.5, 0.95)
    quantiles = scipy.stats.t.ppf(levels, 6) / unit
    np.testing.assert_allclose(student.quantiles(levels), quantiles, atol=1e-11)


def test_the_recipe_as_written_has_2014493_parameters():
    spec = PanelSpec(
        feature_set="bars",
        features=tuple(f"x{i}" for i in range(15)),
        groups=(),
        commodities=tuple("abcde"),
        horizons=("3", "6", "9", "12"),
        steps=((3, 6, 9, 12),) * 5,
    )
    from tests.recipes import recipe_network

    recipe = recipe_network("bars")
    for anchored in (False, True):
        head = dataclasses.replace(recipe.head, anchored=anchored)
        network = dataclasses.replace(recipe, head=head).build(spec)
        assert sum(p.numel() for p in network.parameters()) == 2_014_493
    parts = {name: sum(p.numel() for p in m.parameters()) for name, m in network.named_children()}
    encoder = {
        name: sum(p.numel() for p in m.parameters()) for name, m in network.encoder.named_children()
    }
    assert encoder == {"extractor": 35_840, "lstm": 1_579_008, "attention": 263_168}
    assert parts["heads"] == 134_164 + 1_028 + 1_285


def test_attention_weights_are_causal_and_sum_to_one(panel):
    encoder = build("recipe", panel).encoder
    weights = encoder.attention_weights(torch.randn(2, 7, 3, generator=torch.Generator()))
    assert weights.shape == (2, 7, 7)
    assert torch.all(weights.triu(1) == 0)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 7))


def test_attention_without_attention_is_refused(panel):
    with pytest.raises(ValueError, match="attention=False"):
        build("recipe_without_attention", panel).encoder.attention_weights(torch.zeros(1, 4, 3))


def test_one_attention_query_reads_what_full_attention_reads_at_the_newest_step(panel):
    encoder = build("recipe", panel).encoder
    x = torch.randn(3, 9, 3, generator=torch.Generator().manual_seed(0))
    y, _ = encoder.lstm(encoder.extractor(x))
    full = y + encoder.attention(y, y, y)[0]
    torch.testing.assert_close(encoder(x), full[:, -1])


def test_a_bidirectional_network_reads_the_backward_state_at_the_oldest_row(panel):
    encoder = build("bilstm", panel).encoder
    x = torch.randn(2, 9, 8, generator=torch.Generator().manual_seed(0))
    _, (final, _) = encoder.cell(x)
    torch.testing.assert_close(encoder(x), torch.cat([final[0], final[1]], dim=-1))


def test_hidden_must_divide_by_the_attention_heads():
    with pytest.raises(ValueError, match="hidden 20 is not a multiple of heads 8"):
        RecipeConfig(hidden=20)


def test_each_lstm_gate_starts_orthogonal_with_an_open_forget_gate(panel):
    cell = build("lstm", panel).encoder.cell
    for gate in cell.weight_hh_l0.split(6):
        torch.testing.assert_close(gate @ gate.T, torch.eye(6), atol=1e-5, rtol=0)
    assert torch.all((cell.bias_ih_l0 + cell.bias_hh_l0)[6:12] == 1)


def test_a_recipe_for_another_feature_set_is_refused(panel):
    with pytest.raises(ValueError, match="made for the feature set other"):
        Recipe(name="r", feature_set="other").build(panel.spec)


def test_a_convolution_step_never_sees_what_comes_after_it(panel):
    encoder = build("tcn", panel).encoder
    x = torch.randn(1, 10, encoder.width, generator=torch.Generator().manual_seed(0))
    later = x.clone()
    later[:, 6:] += 1.0
    for block in encoder.blocks:
        x, later = block(x), block(later)
    assert torch.equal(x[:, :6], later[:, :6])
    assert not torch.equal(x[:, 6], later[:, 6])


def test_a_convolution_is_torchs_own(panel):
    convolution = build("tcn", panel).encoder.blocks[1].second
    x_NTI = torch.randn(2, 12, 8, generator=torch.Generator().manual_seed(0))
    taps = convolution.taps
    weight_OIK = taps.weight.unflatten(1, (-1, 8)).transpose(1, 2)
    padded = torch.nn.functional.pad(x_NTI.transpose(1, 2), (4, 0))
    wanted = torch.nn.functional.conv1d(padded, weight_OIK, taps.bias, dilation=2).transpose(1, 2)
    torch.testing.assert_close(convolution(x_NTI), wanted)


def test_one_commodity_moves_anothers_forecast_only_through_cross_attention(panel):
    inputs = some_inputs(panel, "joint")
    both = inputs.mask_BTCF.any(-1).any(1).all(1)
    values = inputs.values_BTCF.clone()
    values[:, :, 1] += 1.0
    for name, expected in (("cross", True), ("gru", False)):
        network = build(name, panel, anchored=False)
        before, after = network(inputs), network(inputs._replace(values_BTCF=values))
        moved = (before.q_BHCQ[:, :, 0] != after.q_BHCQ[:, :, 0]).flatten(1).any(1)
        assert bool(moved[both].all()) == expected


def test_an_absent_commodity_moves_no_forecast(panel):
    inputs = some_inputs(panel, "joint")
    absent = ~inputs.mask_BTCF.any(-1).any(1)
    assert absent.any()
    network = build("cross", panel, anchored=False)
    age = inputs.age_BTCG + absent[:, None, :, None] * 5.0
    before, after = network(inputs).q_BHCQ, network(inputs._replace(age_BTCG=age)).q_BHCQ
    present = (~absent)[:, None, :].expand(before.shape[:3])
    assert torch.equal(before[present], after[present])


def test_attention_across_commodities_is_refused_in_pooled_mode():
    with pytest.raises(ValueError, match="needs mode='joint'"):
        Recipe(name="r", feature_set="f", network=CrossConfig())


def test_hierarchical_interpolation_passes_through_its_knots():
    knots = torch.tensor([1.0, 5.0, 3.0])
    torch.testing.assert_close(knots @ interpolation(3, 5), torch.tensor([1.0, 3.0, 5.0, 4.0, 3.0]))


def test_a_network_that_builds_no_encoder_is_refused_when_its_recipe_is_read(monkeypatch):
    monkeypatch.setattr(EncoderConfig, "kinds", dict(EncoderConfig.kinds))

    @dataclass(frozen=True, kw_only=True)
    class Hollow(EncoderConfig, kind="hollow"):
        width: int = 1

    with pytest.raises(ValueError, match=r"network: Hollow does not define build"):
        compose(Recipe, {"name": "r", "feature_set": "f", "network": {"kind": "hollow"}})
