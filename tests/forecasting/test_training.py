import dataclasses
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
import torch

from cbi_pipeline.forecasting import TrainingFailed, build_untrained, fit
from cbi_pipeline.forecasting.forecaster import Forecaster
from cbi_pipeline.forecasting.networks.lstm_attention import RecipeConfig
from tests.recipes import recipe_network, tiny, untrained_network


def small(**training):
    """Several steps per epoch, with dropout so that random states matter."""
    recipe = dataclasses.replace(
        tiny("test-1"), network=RecipeConfig(extractor=8, hidden=8, heads=2, layers=1)
    )
    return recipe.with_training(**{"batch_size": 64, "max_epochs": 4, "patience": 9, **training})


def test_one_seed_gives_one_model_bit_for_bit(panel, split):
    train, validation = split(panel)
    torch.rand(3)  # whatever the caller drew before must not matter
    one = fit(small(), panel, train, validation)
    torch.rand(5)
    two = fit(small(), panel, train, validation)
    assert one.forecaster.fingerprint() == two.forecaster.fingerprint()
    assert one.curve == two.curve
    other = fit(small(seed=1), panel, train, validation)
    assert other.curve != one.curve


def test_training_leaves_the_callers_random_state_alone(panel, split):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fit(small(max_epochs=1), panel, *split(panel))
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("mode", ["pooled", "joint"])
def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(panel, split, tmp_path, mode):
    recipe = dataclasses.replace(small(), mode=mode)
    train, validation = split(panel)
    whole = fit(recipe, panel, train, validation)

    def interrupt(record):
        if record.epoch == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(recipe, panel, train, validation, checkpoint_dir=tmp_path, on_epoch=interrupt)
    seen = []
    resumed = fit(recipe, panel, train, validation, checkpoint_dir=tmp_path, on_epoch=seen.append)
    assert [record.epoch for record in seen] == [3, 4]
    assert resumed.curve == whole.curve
    assert resumed.forecaster.fingerprint() == whole.forecaster.fingerprint()


def _train_slowly(folder, panel, train, validation):
    torch.set_num_threads(1)
    fit(
        small(max_epochs=30),
        panel,
        train,
        validation,
        checkpoint_dir=folder,
        on_epoch=lambda record: time.sleep(0.02),
    )


@pytest.mark.slow
def test_a_killed_process_resumes_to_the_same_bits(panel, split, tmp_path):
    train, validation = split(panel)
    process = multiprocessing.get_context("fork").Process(
        target=_train_slowly, args=(tmp_path, panel, train, validation)
    )
    process.start()
    while not (tmp_path / "last.safetensors").exists():
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    seen = []
    resumed = fit(
        small(max_epochs=30),
        panel,
        train,
        validation,
        checkpoint_dir=tmp_path,
        on_epoch=seen.append,
    )
    whole = fit(small(max_epochs=30), panel, train, validation)
    assert 0 < len(seen) < 31
    assert resumed.forecaster.fingerprint() == whole.forecaster.fingerprint()
    assert resumed.curve == whole.curve


def test_a_finished_run_is_read_back_without_training(panel, split, tmp_path):
    train, validation = split(panel)
    one = fit(small(), panel, train, validation, checkpoint_dir=tmp_path)
    seen = []
    two = fit(small(), panel, train, validation, checkpoint_dir=tmp_path, on_epoch=seen.append)
    assert seen == []
    assert two.forecaster.fingerprint() == one.forecaster.fingerprint()
    assert two.stopped == one.stopped


def test_a_checkpoint_of_other_data_is_not_resumed(panel, make_panel, split, tmp_path):
    fit(small(max_epochs=1), panel, *split(panel), checkpoint_dir=tmp_path)
    other = make_panel(seed=9)
    seen = []
    fit(small(max_epochs=1), other, *split(other), checkpoint_dir=tmp_path, on_epoch=seen.append)
    assert [record.epoch for record in seen] == [0, 1]


def test_a_damaged_checkpoint_is_refused_with_what_to_do(panel, split, tmp_path):
    fit(small(max_epochs=1), panel, *split(panel), checkpoint_dir=tmp_path)
    file = tmp_path / "last.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"damaged.*delete it"):
        fit(small(max_epochs=1), panel, *split(panel), checkpoint_dir=tmp_path)


def test_the_untrained_recipe_returns_the_prior_at_once(panel, split):
    train, validation = split(panel)
    result = fit(untrained_network("test-1"), panel, train, validation)
    assert result.stopped == "untrained"
    assert result.curve == ()
    forecasts = result.forecaster.predict(panel, validation)
    assert (forecasts.up_NH == 0.5).all()
    steps = np.array(panel.spec.steps)[panel.commodity_R[validation]]
    scale = np.sqrt(steps * panel.variance_R2[validation].double().mean(-1).numpy()[:, None])
    np.testing.assert_allclose(forecasts.vol_NH, scale, rtol=1e-6)
    same = build_untrained(untrained_network("test-1"), panel, train)
    assert same.fingerprint() == result.forecaster.fingerprint()


@pytest.mark.slow
def test_a_planted_signal_is_learnt(make_panel, split):
    panel = make_panel(signal=0.8, missing=0.0, rows={"daily": 1200, "weekly": 300})
    recipe = tiny("test-1").with_training(batch_size=64, max_epochs=12)
    result = fit(recipe, panel, *split(panel))
    start, end = result.curve[0].validation_loss, min(r.validation_loss for r in result.curve)
    assert end < 0.8 * start


def test_on_noise_the_anchored_network_ends_where_it_began(make_panel, split):
    panel = make_panel(rows={"daily": 1500, "weekly": 400}, seed=4)
    train, validation = split(panel)
    recipe = tiny("test-1").with_training(batch_size=64, max_epochs=6)
    result = fit(recipe, panel, train, validation)
    prior = build_untrained(recipe, panel, train).predict(panel, validation)
    forecasts = result.forecaster.predict(panel, validation)
    unit = prior.vol_NH[..., None]
    assert np.abs(forecasts.q_NHQ / unit - prior.q_NHQ / unit).max() < 0.1


def test_non_finite_steps_are_skipped_counted_and_fatal_past_the_limit(panel, split, monkeypatch):
    train, validation = split(panel)
    recipe = small(max_epochs=1, skip_limit=2)
    broken = {3}
    from cbi_pipeline.forecasting import train as module

    taken = module.Run.take_step

    def poisoned(self, index_B, rate):
        if self.step in broken:
            with torch.no_grad():
                weight = next(self.network.parameters())
                kept, weight[0, 0] = weight[0, 0].clone(), float("nan")
            line = taken(self, index_B, rate)
            with torch.no_grad():
                weight[0, 0] = kept
            return line
        return taken(self, index_B, rate)

    monkeypatch.setattr(module.Run, "take_step", poisoned)
    result = fit(recipe, panel, train, validation)
    assert result.curve[1].skipped == 1
    assert np.isfinite(result.curve[1].train_loss)
    weights = result.forecaster.network.state_dict().values()
    assert all(torch.isfinite(w).all() for w in weights)
    broken |= {1, 2}
    with pytest.raises(TrainingFailed, match=r"3 of .* steps"):
        fit(recipe, panel, train, validation)


def test_the_recipe_network_as_written_takes_a_training_step(make_panel, split):
    names = ("daily", "weekly", "other")
    panel = make_panel(rows=dict.fromkeys(names, 120), features=15)
    recipe = dataclasses.replace(recipe_network("test-1"), window=8).with_training(
        max_epochs=1, batch_size=200, threads=1
    )
    result = fit(recipe, panel, *split(panel))
    assert result.curve[1].step == 1
    assert np.isfinite(result.curve[1].validation_loss)
    assert result.curve[1].gradient_norm > 0
    forecasts = result.forecaster.predict(panel, split(panel)[1])
    assert forecasts.q_NHQ.shape[1:] == (2, 1)


def test_accumulated_pieces_give_the_gradient_of_the_whole_batch(panel, split):
    train, validation = split(panel)
    recipe = tiny("test-1").with_training(batch_size=100, max_epochs=1, patience=5)
    whole = fit(recipe, panel, train, validation)
    pieces = fit(recipe.with_training(accumulate=3), panel, train, validation)
    assert whole.curve[1].step == pieces.curve[1].step == -(-len(train) // 100)
    assert whole.curve[1].train_loss == pytest.approx(pieces.curve[1].train_loss, rel=1e-5)
    assert whole.curve[1].validation_loss == pytest.approx(
        pieces.curve[1].validation_loss, rel=1e-5
    )


def test_the_validation_loss_is_the_mean_over_targets_not_over_batches(panel, split):
    train, validation = split(panel)
    one = fit(small(max_epochs=1, batch_size=64), panel, train, validation).curve[0]
    two = fit(small(max_epochs=1, batch_size=37), panel, train, validation).curve[0]
    assert one.validation_loss == pytest.approx(two.validation_loss, rel=1e-6)


def test_validation_rows_without_known_targets_are_refused(panel, split):
    with pytest.raises(ValueError, match="no known target to validate"):
        fit(small(), panel, split(panel)[0], np.array([399]))


def test_a_saved_forecaster_loads_with_the_same_bits(panel, split, tmp_path):
    train, validation = split(panel)
    forecaster = fit(small(max_epochs=1), panel, train, validation).forecaster
    forecaster.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.fingerprint() == forecaster.fingerprint()
    assert loaded.recipe == forecaster.recipe
    one, two = (f.predict(panel, validation) for f in (forecaster, loaded))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    names = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert names == ["forecaster.json", "weights.safetensors"]
    first = (tmp_path / "model" / "weights.safetensors").read_bytes()
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again" / "weights.safetensors").read_bytes() == first


def test_weights_of_another_model_are_refused(panel, split, tmp_path):
    train, _ = split(panel)
    build_untrained(small(seed=1), panel, train).save(tmp_path / "one")
    build_untrained(small(seed=2), panel, train).save(tmp_path / "two")
    (tmp_path / "one" / "weights.safetensors").replace(tmp_path / "two" / "weights.safetensors")
    with pytest.raises(ValueError, match="do not match"):
        Forecaster.load(tmp_path / "two")


def test_a_panel_with_an_unknown_feature_is_refused(panel, split):
    train, _ = split(panel)
    forecaster = build_untrained(small(), panel, train)
    spec = dataclasses.replace(panel.spec, features=("f0", "f1", "surprise"))
    with pytest.raises(ValueError, match=r"spec.features.*surprise.*retrain"):
        forecaster.predict(dataclasses.replace(panel, spec=spec), train)


@pytest.mark.parametrize("mode", ["pooled", "joint"])
def test_a_forecast_does_not_depend_on_the_order_of_rows(panel, split, mode):
    train, validation = split(panel)
    recipe = dataclasses.replace(small(max_epochs=1), mode=mode)
    forecaster = fit(recipe, panel, train, validation).forecaster
    forward = forecaster.predict(panel, validation)
    backward = forecaster.predict(panel, validation[::-1].copy())
    np.testing.assert_allclose(forward.q_NHQ, backward.q_NHQ[::-1], rtol=1e-5, atol=1e-9)
