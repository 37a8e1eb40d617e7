import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.forecasting import Panel, windows


def slow_window(panel: Panel, row: int, window: int):
    """One window by a plain loop: values, mask and ages from oldest to newest."""
    commodity = int(panel.commodity_R[row]) if row >= 0 else -1
    values = np.zeros((window, panel.values_RF.shape[1]), np.float32)
    mask = np.zeros(values.shape, bool)
    age = np.zeros((window, panel.age_RG.shape[1]), np.float32)
    for t in range(window):
        r = row - window + 1 + t
        if row >= 0 and r >= 0 and int(panel.commodity_R[r]) == commodity:
            values[t] = panel.values_RF[r].numpy()
            mask[t] = panel.mask_RF[r].numpy()
            age[t] = panel.age_RG[r].numpy()
    return values, mask, age


def assert_windows(panel: Panel, inputs: windows.Inputs, rows_BC, window: int):
    for b, line in enumerate(rows_BC):
        for c, row in enumerate(line):
            values, mask, age = slow_window(panel, int(row), window)
            np.testing.assert_array_equal(inputs.values_BTCF[b, :, c].numpy(), values)
            np.testing.assert_array_equal(inputs.mask_BTCF[b, :, c].numpy(), mask)
            np.testing.assert_array_equal(inputs.age_BTCG[b, :, c].numpy(), age)


@settings(max_examples=20, deadline=None)
@given(data=st.data(), window=st.integers(1, 40))
def test_a_pooled_batch_equals_the_slow_reference_bit_for_bit(panel, data, window):
    ready = panel.ready_R.nonzero().flatten().tolist()
    rows = data.draw(st.lists(st.sampled_from(ready), min_size=1, max_size=12))
    sampler = windows.pooled_sampler(panel, window, torch.tensor(rows))
    batch = sampler.batch(torch.arange(len(rows)))
    assert_windows(panel, batch.inputs, [[r] for r in rows], window)
    assert torch.equal(batch.target_BHC[..., 0], panel.target_RH[rows])
    assert torch.equal(batch.weight_BHC[..., 0].bool(), panel.target_mask_RH[rows])
    assert batch.inputs.values_BTCF.is_contiguous()


def test_a_joint_batch_equals_the_slow_reference_bit_for_bit(panel):
    rows = torch.tensor([30, 100, 399, 405, 430])
    sampler = windows.joint_sampler(panel, 12, rows)
    inputs = sampler.inputs(torch.arange(len(sampler)))
    assert_windows(panel, inputs, sampler.row_NC.tolist(), 12)
    absent = sampler.row_NC < 0
    assert absent.any()
    assert not inputs.mask_BTCF.transpose(1, 2)[absent].any()


def test_in_joint_mode_only_the_rows_asked_for_count(panel):
    rows = torch.tensor([30, 405])
    sampler = windows.joint_sampler(panel, 12, rows)
    assert sorted(sampler.row_NC[sampler.counts_NC].tolist()) == [30, 405]
    batch = sampler.batch(torch.arange(len(sampler)))
    assert int(batch.weight_BHC.sum()) == int(panel.target_mask_RH[rows].sum())
    assert int(sampler.target_count(torch.arange(len(sampler)))) == int(batch.weight_BHC.sum())


def test_adding_a_commodity_changes_no_other_batch(make_arrays):
    spec, alone = make_arrays({"daily": 80})
    spec_two, both = make_arrays({"daily": 80, "weekly": 40})
    for name, array in alone.items():
        if name != "pos_DC":
            both[name][: len(array)] = array
    rows = torch.arange(3, 80)
    one, two = (
        windows.pooled_sampler(Panel.from_numpy(s, **a), 10, rows).inputs(torch.arange(len(rows)))
        for s, a in ((spec, alone), (spec_two, both))
    )
    assert all(torch.equal(a, b) for a, b in zip(one.tensors(), two.tensors(), strict=True))


def test_a_window_longer_than_every_history_is_refused(panel):
    with pytest.raises(ValueError, match=r"window: 401 rows.*longest history has 400"):
        windows.pooled_sampler(panel, 401, torch.tensor([10]))


def test_a_row_that_is_not_ready_is_refused(panel):
    with pytest.raises(ValueError, match="not ready"):
        windows.pooled_sampler(panel, 4, torch.tensor([0]))


def test_a_row_without_a_date_is_refused_in_joint_mode(make_arrays):
    spec, content = make_arrays({"daily": 40})
    content["pos_DC"] = content["pos_DC"][:-1]
    with pytest.raises(ValueError, match="no decision date"):
        windows.joint_sampler(Panel.from_numpy(spec, **content), 4, torch.tensor([39]))


def test_a_row_repeated_in_pos_counts_once_at_its_first_date(make_arrays):
    spec, content = make_arrays({"daily": 40})
    content["pos_DC"] = np.concatenate([content["pos_DC"], content["pos_DC"][-1:]])
    sampler = windows.joint_sampler(Panel.from_numpy(spec, **content), 4, torch.tensor([20, 39]))
    assert sampler.row_NC[:, 0].tolist() == [20, 39]
