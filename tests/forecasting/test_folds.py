import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.forecasting import make_final_fold
from cbi_pipeline.forecasting.folds import walk_forward
from cbi_pipeline.forecasting.panel import NEVER

DAY_US = 86_400_000_000


@settings(max_examples=30, deadline=None)
@given(
    offset=st.integers(150, 390),
    embargo=st.floats(0, 30),
    share=st.floats(0.05, 0.5),
)
def test_no_target_of_a_fold_is_public_after_its_border(panel, offset, embargo, share):
    refit = int(panel.decision_at_R[0]) + offset * DAY_US
    rows = panel.ready_R.nonzero().flatten().numpy()
    origins = rows[panel.decision_at_R.numpy()[rows] >= refit]
    (fold,) = walk_forward(panel, origins, [refit], embargo_days=embargo, validation_share=share)
    public = panel.target_available_RH.numpy()
    opens = panel.decision_at_R.numpy()[fold.validation_rows].min()
    assert (public[fold.train_rows] <= opens - int(embargo * DAY_US)).all()
    assert (public[fold.validation_rows] <= refit - int(embargo * DAY_US)).all()
    assert not set(fold.train_rows) & set(fold.validation_rows)
    assert (panel.decision_at_R.numpy()[fold.test_rows] >= refit).all()


def test_every_origin_is_tested_once_by_the_newest_refit_before_it(panel):
    start = int(panel.decision_at_R[0])
    refits = [start + days * DAY_US for days in (200, 260, 320)]
    rows = panel.ready_R.nonzero().flatten().numpy()
    origins = rows[panel.decision_at_R.numpy()[rows] >= refits[0]]
    folds = walk_forward(panel, origins, refits, embargo_days=1, validation_share=0.2)
    tested = np.concatenate([fold.test_rows for fold in folds])
    assert sorted(tested) == sorted(origins)
    for fold, following in zip(folds, [*refits[1:], NEVER], strict=True):
        decision = panel.decision_at_R.numpy()[fold.test_rows]
        assert ((decision >= fold.refit_at_us) & (decision < following)).all()


def test_a_panel_built_later_gives_the_same_rows(make_arrays, make_panel):
    from cbi_pipeline.forecasting import Panel

    later = make_panel()
    refit = int(later.decision_at_R[0]) + 250 * DAY_US
    spec, content = make_arrays({"daily": 400, "weekly": 120})
    hidden = content["target_available_RH"] > refit
    content["target_mask_RH"] = content["target_mask_RH"] & ~hidden
    content["target_RH"] = np.where(hidden, 0, content["target_RH"]).astype(np.float32)
    content["target_available_RH"] = np.where(hidden, NEVER, content["target_available_RH"])
    as_known = Panel.from_numpy(spec, **content)
    one, two = (
        make_final_fold(p, refit, embargo_days=2, validation_share=0.2) for p in (later, as_known)
    )
    np.testing.assert_array_equal(one.train_rows, two.train_rows)
    np.testing.assert_array_equal(one.validation_rows, two.validation_rows)


def test_the_latest_fold_forecasts_from_the_newest_row_of_each_commodity(panel):
    as_of = int(panel.decision_at_R[0]) + 300 * DAY_US
    fold = make_final_fold(panel, as_of, embargo_days=0, validation_share=0.2)
    assert panel.commodity_R.numpy()[fold.test_rows].tolist() == [0, 1]
    decision = panel.decision_at_R.numpy()
    for row in fold.test_rows:
        assert decision[row] <= as_of
        assert row + 1 == panel.rows or decision[row + 1] > as_of or row == 399


def test_a_fold_without_training_rows_is_refused(panel):
    early = int(panel.decision_at_R[0]) + 10 * DAY_US
    with pytest.raises(ValueError, match="no training rows"):
        walk_forward(panel, np.array([200]), [early], embargo_days=0, validation_share=0.2)


def test_an_origin_before_the_first_refit_is_refused(panel):
    refit = int(panel.decision_at_R[0]) + 300 * DAY_US
    with pytest.raises(ValueError, match="before the first refit"):
        walk_forward(panel, np.array([10]), [refit], embargo_days=0, validation_share=0.2)
