import dataclasses

import numpy as np
import pytest
import torch

from cbi_pipeline.forecasting import fit, windows
from cbi_pipeline.forecasting.augment import AugmentConfig, Augmented
from cbi_pipeline.forecasting.scaler import fit_moments
from tests.recipes import tiny

WINDOW = 12
ALL = AugmentConfig(
    probability=1.0,
    features=("f0", "f1"),
    jitter=0.5,
    scaling=0.3,
    time_mask=4,
    feature_mask=0.4,
    slice=0.5,
    shift=3,
)


def sampler(panel):
    return windows.pooled_sampler(panel, WINDOW, torch.arange(60, 200))


def augmented(panel, config, seed=0):
    inverse = fit_moments(panel, torch.arange(10, 200)).inverse_F
    return Augmented(config, sampler(panel), inverse, torch.Generator().manual_seed(seed))


def both(panel, **changes):
    index = torch.arange(140)
    config = AugmentConfig(**{"probability": 1.0, **changes})
    return sampler(panel).batch(index), augmented(panel, config).batch(index)


def test_the_newest_row_the_length_and_the_target_are_never_touched(panel):
    index = torch.arange(140)
    plain, found = sampler(panel).batch(index), augmented(panel, ALL).batch(index)
    for a, b in zip(plain.inputs[:3], found.inputs[:3], strict=True):
        assert a.shape == b.shape
        assert torch.equal(a[:, -1], b[:, -1])
    assert torch.equal(plain.target_BHC, found.target_BHC)
    assert torch.equal(plain.weight_BHC, found.weight_BHC)
    assert not torch.equal(plain.inputs.values_BTCF, found.inputs.values_BTCF)


def test_the_same_generator_state_gives_the_same_samples_and_no_other_randomness(panel):
    index = torch.arange(140)
    torch.manual_seed(1)
    one = augmented(panel, ALL).batch(index)
    torch.manual_seed(2)
    two = augmented(panel, ALL).batch(index)
    assert all(
        torch.equal(a, b) for a, b in zip(one.inputs.tensors(), two.inputs.tensors(), strict=True)
    )


def test_each_sample_is_drawn_on_its_own(panel):
    plain, found = both(panel, probability=0.5, features=("f0",), jitter=1.0)
    changed = (plain.inputs.values_BTCF != found.inputs.values_BTCF).flatten(1).any(1)
    assert 0.3 < changed.float().mean() < 0.7


def test_jitter_is_in_training_spreads_and_only_where_it_may(make_arrays):
    from cbi_pipeline.forecasting import Panel

    spec, content = make_arrays({"daily": 400, "weekly": 120})
    content["values_RF"][:, 0] *= 1000
    panel = Panel.from_numpy(spec, **content)
    plain, found = both(panel, features=("f0",), jitter=0.1)
    noise = (found.inputs.values_BTCF - plain.inputs.values_BTCF)[:, :-1]
    mask = plain.inputs.mask_BTCF[:, :-1]
    spread = content["values_RF"][10:200, 0][content["mask_RF"][10:200, 0]].std()
    assert float(noise[..., 0][mask[..., 0]].std()) == pytest.approx(0.1 * spread, rel=0.1)
    assert torch.all(noise[..., 1:] == 0)
    assert torch.all(noise[~mask] == 0)


def test_scaling_draws_one_factor_per_sample(panel):
    plain, found = both(panel, features=("f0", "f1", "f2"), scaling=0.1)
    ratio = (found.inputs.values_BTCF / plain.inputs.values_BTCF)[:, :-1, 0]
    factors = torch.stack([line[line.isfinite()].median() for line in ratio])
    for line, factor in zip(ratio, factors, strict=True):
        torch.testing.assert_close(line[line.isfinite()], factor.expand(line.isfinite().sum()))
    assert factors.min() >= 0.9
    assert factors.max() <= 1.1
    assert factors.unique().numel() > 100


def test_a_shift_takes_older_rows_from_true_history(panel):
    plain, found = both(panel, shift=3)
    rows = np.arange(60, 200)
    seen = set()
    for b, row in enumerate(rows):
        options = {k: panel.values_RF[row - WINDOW + 1 - k : row - k] for k in range(4)}
        match = [
            k for k, v in options.items() if torch.equal(found.inputs.values_BTCF[b, :-1, 0], v)
        ]
        assert match
        seen.add(match[0])
    assert seen == {0, 1, 2, 3}
    assert torch.equal(plain.inputs.values_BTCF[:, -1], found.inputs.values_BTCF[:, -1])


def test_slicing_hides_the_oldest_rows_and_masking_one_run(panel):
    _, sliced = both(panel, slice=0.5)
    present = sliced.inputs.mask_BTCF.any(-1)[..., 0]
    assert torch.all(present.int().diff(dim=1).clamp(min=-1)[:, 6:] >= -1)
    hidden = ~present
    assert hidden[:, :5].any()
    assert not hidden[:, 7:].all(dim=1).any()
    _, masked = both(panel, time_mask=4)
    assert (
        masked.inputs.mask_BTCF.sum()
        < sampler(panel).batch(torch.arange(140)).inputs.mask_BTCF.sum()
    )


def test_hidden_features_stay_hidden_until_the_newest_row(panel):
    plain, found = both(panel, feature_mask=0.5)
    gone = plain.inputs.mask_BTCF & ~found.inputs.mask_BTCF
    column = gone[:, :-1].any(1)
    assert 0.3 < column.float().mean() < 0.7
    kept = found.inputs.mask_BTCF[:, :-1] & column[:, None]
    assert not kept.any()


def test_mixup_keeps_its_weight_and_both_targets(panel):
    plain, found = both(panel, mixup=0.4)
    target, weight = found.partner
    torch.testing.assert_close(found.weight_BHC + weight, plain.weight_BHC)
    share = found.weight_BHC[:, 0, 0]
    b = int(((share > 0.2) & (share < 0.8)).nonzero()[0])
    partner = int((plain.target_BHC == target[b]).all(1).all(1).nonzero()[0])
    x, y = plain.inputs.values_BTCF[b], plain.inputs.values_BTCF[partner]
    mask = plain.inputs.mask_BTCF[b] & plain.inputs.mask_BTCF[partner]
    expected = torch.where(mask, share[b] * x + (1 - share[b]) * y, x)
    torch.testing.assert_close(found.inputs.values_BTCF[b], expected)


def test_mixup_blends_within_a_commodity(panel):
    rows = torch.cat([torch.arange(60, 90), torch.arange(440, 470)])
    both_sampler = windows.pooled_sampler(panel, WINDOW, rows)
    inverse = fit_moments(panel, torch.arange(10, 200)).inverse_F
    source = Augmented(
        AugmentConfig(probability=1.0, mixup=0.4),
        both_sampler,
        inverse,
        torch.Generator().manual_seed(0),
    )
    batch = source.batch(torch.arange(60))
    target, weight = batch.partner
    own = both_sampler.batch(torch.arange(60)).target_BHC
    for b in range(60):
        if weight[b].any():
            partner = int((own == target[b]).all(1).all(1).nonzero()[0])
            assert (partner < 30) == (b < 30)


def test_validation_is_never_augmented(panel, split):
    train, validation = split(panel)
    recipe = tiny("test-1").with_training(max_epochs=1, batch_size=64)
    plain = fit(recipe, panel, train, validation)
    changed = fit(
        recipe.with_training(augment=dataclasses.replace(ALL, mixup=0.3)), panel, train, validation
    )
    assert plain.curve[0] == changed.curve[0]
    assert plain.curve[1].train_loss != changed.curve[1].train_loss


def test_augmented_training_resumes_to_the_same_bits(panel, split, tmp_path):
    train, validation = split(panel)
    recipe = tiny("test-1").with_training(
        max_epochs=3,
        batch_size=64,
        augment=dataclasses.replace(ALL, mixup=0.3),
        shrinkage=(1.0,),
    )
    whole = fit(recipe, panel, train, validation)

    def stop(record):
        if record.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(recipe, panel, train, validation, checkpoint_dir=tmp_path, on_epoch=stop)
    resumed = fit(recipe, panel, train, validation, checkpoint_dir=tmp_path)
    assert resumed.curve == whole.curve
    assert resumed.forecaster.fingerprint() == whole.forecaster.fingerprint()


def test_an_unknown_feature_is_named(panel):
    with pytest.raises(ValueError, match=r"\['volume'\] are not in the panel"):
        augmented(panel, AugmentConfig(features=("volume",), jitter=0.1))


def test_jitter_needs_to_know_what_it_may_touch():
    with pytest.raises(ValueError, match="name what jitter and scaling may touch"):
        AugmentConfig(jitter=0.1)
