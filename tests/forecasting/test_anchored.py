"""A network over a fitted anchor: what it adjusts, what it saves, what it refuses."""

import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.forecasting import build_untrained, fit
from cbi_pipeline.forecasting.anchor import Anchor
from cbi_pipeline.forecasting.augment import AugmentConfig
from cbi_pipeline.forecasting.checkpoint import load_checkpoint
from cbi_pipeline.forecasting.export import input_names, real_inputs, save_onnx, to_program
from cbi_pipeline.forecasting.forecaster import Forecaster
from cbi_pipeline.forecasting.models.ewma import EwmaModel, EwmaRecipe
from cbi_pipeline.forecasting.models.prior import PriorModel, PriorRecipe
from cbi_pipeline.forecasting.networks.heads import HeadConfig
from cbi_pipeline.forecasting.networks.mlp import MlpConfig
from cbi_pipeline.forecasting.networks.output import OverAnchor, Raw, interpolate
from cbi_pipeline.forecasting.stacked import fit_ensemble
from cbi_pipeline.forecasting.windows import AnchorInputs
from tests.recipes import tiny

LEVELS = tiny("test-1").levels
ROWS = np.arange(20, 60)


def recipe(**training):
    """A tiny perceptron over an EWMA of another shape than the prior's."""
    base = dataclasses.replace(tiny("test-1"), network=MlpConfig(hidden=8), anchor=EwmaRecipe())
    return base.with_training(shrinkage=(1.0,), **training)


@pytest.fixture(scope="module")
def anchor(panel):
    shape = tuple(np.linspace(-2.0, 2.5, len(LEVELS)).tolist())
    return Anchor(EwmaModel(EwmaRecipe(), panel.spec, shape), dict.fromkeys(("daily", "weekly"), 1))


@pytest.fixture(scope="module")
def trained(panel, split, anchor):
    return fit(recipe(max_epochs=3), panel, *split(panel), anchor=anchor).forecaster


def same(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


numbers = st.floats(-30.0, 30.0, width=32)


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.floats(0.0, 5.0, width=32), min_size=17, max_size=17),
    shape=st.tuples(numbers, numbers),
    up=st.floats(0.0, 1.0, width=32),
    raw_up=numbers,
)
def test_quantiles_never_cross_and_chances_are_chances(gaps, shape, up, raw_up):
    q = torch.tensor(gaps).cumsum(0) - 20.0
    said = AnchorInputs(q.view(1, 1, 1, -1), torch.full((1, 1, 1), up), torch.ones(1, 1, 1))
    raw = Raw(
        torch.tensor(shape).view(1, 1, 1, 2), torch.full((1, 1, 1), raw_up), torch.zeros(1, 1, 1)
    )
    unit = torch.ones(1, 1, 1)
    output = OverAnchor(LEVELS)(raw, unit, unit, said)
    assert (output.q_BHCQ.diff() >= 0).all()
    assert 0.0 <= float(output.up_BHC) <= 1.0
    assert output.q_BHCQ.isfinite().all()


def test_it_is_moved_and_widened_in_units_of_the_anchors_scale():
    q = torch.linspace(-1.6, 1.6, len(LEVELS))
    said = AnchorInputs(q.view(1, 1, 1, -1), torch.full((1, 1, 1), 0.5), torch.ones(1, 1, 1))
    unit, zero = torch.ones(1, 1, 1), torch.zeros(1, 1, 1)
    scale = (np.interp(0.84, LEVELS, q) - np.interp(0.16, LEVELS, q)) / 2.0
    raw = Raw(torch.tensor([0.5, 0.1]).view(1, 1, 1, 2), zero, zero)
    output = OverAnchor(LEVELS)(raw, unit, unit, said)
    stretch = float(torch.exp(3.0 * torch.tanh(torch.tensor(0.1 / 3.0))))
    expected = 0.5 * scale + stretch * q.numpy()
    assert output.q_BHCQ.flatten().numpy() == pytest.approx(expected, abs=1e-6)
    # The chance of a rise is the anchor's own above the return that became zero.
    below = np.interp(-0.5 * scale / stretch, q.numpy(), LEVELS)
    assert float(output.up_BHC) == pytest.approx(1.0 - below, abs=1e-5)


@given(level=st.floats(0.02, 0.98))
def test_a_quantile_between_levels_is_interpolated(level):
    q = np.sort(np.random.default_rng(3).standard_normal(len(LEVELS)))
    assert np.dot(interpolate(LEVELS, level), q) == pytest.approx(np.interp(level, LEVELS, q))


@pytest.mark.parametrize("mode", ["pooled", "joint"])
def test_untrained_it_is_the_anchor_in_either_mode(mode, panel, split, anchor):
    given = dataclasses.replace(recipe(), mode=mode)
    rows = split(panel)[1]
    said = build_untrained(given, panel, split(panel)[0], anchor=anchor).predict(panel, rows)
    for mine, its in zip(said, anchor.model.predict(panel, rows), strict=True):
        assert mine == pytest.approx(its, abs=1e-6)


def test_training_moves_it_off_the_anchor(trained, panel, split, anchor):
    rows = split(panel)[1]
    assert not same(trained.predict(panel, rows), anchor.model.predict(panel, rows))


def test_a_saved_model_carries_its_anchor(trained, panel, tmp_path):
    trained.save(tmp_path)
    again = Forecaster.load(tmp_path)
    assert same(again.predict(panel, ROWS), trained.predict(panel, ROWS))
    assert again.fingerprint() == trained.fingerprint()
    assert again.history == trained.history


def test_an_anchor_that_was_exchanged_or_lost_is_refused(trained, panel, tmp_path):
    trained.save(tmp_path / "one")
    other = Anchor(dataclasses.replace(trained.anchor.model, unit=(0.0,) * len(LEVELS)), {})
    dataclasses.replace(trained, anchor=other).save(tmp_path / "two")
    (tmp_path / "two" / "anchor.json").replace(tmp_path / "one" / "anchor.json")
    with pytest.raises(ValueError, match=r"one: anchor\.json is not the one that was saved"):
        Forecaster.load(tmp_path / "one")
    with pytest.raises(ValueError, match=r"two: anchor\.json is missing"):
        Forecaster.load(tmp_path / "two")


def test_a_fingerprint_follows_the_anchor(trained):
    other = Anchor(dataclasses.replace(trained.anchor.model, unit=(0.0,) * len(LEVELS)), {})
    assert dataclasses.replace(trained, anchor=other).fingerprint() != trained.fingerprint()


def test_an_anchor_of_another_recipe_or_none_is_refused(panel, split, anchor):
    with pytest.raises(ValueError, match="recipe tiny adjusts ewma; got no anchor"):
        fit(recipe(), panel, *split(panel))
    prior = Anchor(PriorModel(PriorRecipe(), panel.spec), {})
    with pytest.raises(ValueError, match="recipe tiny adjusts ewma; got prior"):
        fit(recipe(), panel, *split(panel), anchor=prior)
    with pytest.raises(ValueError, match="recipe tiny adjusts the prior; got ewma"):
        fit(tiny("test-1"), panel, *split(panel), anchor=anchor)


def test_a_recipe_that_could_not_adjust_an_anchor_is_refused():
    with pytest.raises(ValueError, match=r"Recipe\.anchor: a free-form network adjusts none"):
        dataclasses.replace(recipe(), head=HeadConfig(anchored=False))
    with pytest.raises(ValueError, match=r"Recipe\.levels: a network over an anchor needs one"):
        dataclasses.replace(recipe(), levels=(0.25, 0.5, 0.75))


def test_a_recipe_with_an_anchor_is_written_and_read():
    given = recipe()
    assert type(given).from_json(given.to_json()) == given


@pytest.mark.slow
def test_members_trained_side_by_side_are_those_trained_alone(panel, split, anchor):
    given, rows = recipe(max_epochs=2), split(panel)
    config = dataclasses.replace(given, network=MlpConfig(hidden=8, dropout=0.0))
    stacked = fit_ensemble(config, panel, *rows, seeds=[3, 4], anchor=anchor)
    for member in stacked.members:
        alone = fit(
            config.with_training(seed=member.recipe.training.seed), panel, *rows, anchor=anchor
        )
        found = member.predict(panel, ROWS), alone.forecaster.predict(panel, ROWS)
        for one, two in zip(*found, strict=True):
            assert one == pytest.approx(two, abs=1e-4)
    alike = [
        same(m.predict(panel, ROWS), stacked.members[0].predict(panel, ROWS))
        for m in stacked.members
    ]
    assert alike == [True, False]


def test_an_interrupted_training_goes_on_over_the_same_anchor(panel, split, anchor, tmp_path):
    class Stop(Exception):
        pass

    def stop(record):
        if record.epoch == 1:
            raise Stop

    whole = fit(recipe(max_epochs=3), panel, *split(panel), anchor=anchor)
    arguments = {"anchor": anchor, "checkpoint_dir": tmp_path}
    with pytest.raises(Stop):
        fit(recipe(max_epochs=3), panel, *split(panel), **arguments, on_epoch=stop)
    resumed = fit(recipe(max_epochs=3), panel, *split(panel), **arguments)
    assert resumed.forecaster.fingerprint() == whole.forecaster.fingerprint()
    (best,) = tmp_path.glob("best-*.safetensors")
    assert load_checkpoint(best).fingerprint() == whole.forecaster.fingerprint()


def test_a_run_over_another_anchor_starts_over(panel, split, anchor, tmp_path):
    fit(recipe(max_epochs=1), panel, *split(panel), anchor=anchor, checkpoint_dir=tmp_path)
    wider = dataclasses.replace(anchor.model, unit=tuple(2.0 * x for x in anchor.model.unit))
    records = []
    fit(
        recipe(max_epochs=1),
        panel,
        *split(panel),
        anchor=Anchor(wider, anchor.history),
        checkpoint_dir=tmp_path,
        on_epoch=records.append,
    )
    assert [record.epoch for record in records] == [0, 1]


def test_blended_samples_blend_their_anchors(panel, split, anchor):
    augment = AugmentConfig(probability=1.0, mixup=0.4)
    result = fit(recipe(max_epochs=1, augment=augment), panel, *split(panel), anchor=anchor)
    assert result.curve[-1].train_loss is not None


def test_the_exported_program_takes_the_anchors_forecasts(trained, panel):
    program = to_program(trained, panel, ROWS[:4]).module()
    for size in (1, 7, 40):
        inputs = real_inputs(trained, panel, ROWS[:size])
        with torch.no_grad():
            found, expected = program(*inputs.tensors()), trained.network(inputs)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_so_does_the_onnx_model(trained, panel, tmp_path):
    save_onnx(trained, panel, ROWS, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    wanted = {node.name for node in session.get_inputs()}
    assert {"anchor_quantiles", "anchor_up", "anchor_volatility"} <= wanted
    inputs = real_inputs(trained, panel, ROWS[:7])
    named = zip(input_names(trained), inputs.tensors(), strict=True)
    found = session.run(None, {name: x.numpy() for name, x in named if name in wanted})
    with torch.no_grad():
        expected = trained.network(inputs)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-4, atol=1e-6)
