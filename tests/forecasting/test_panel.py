import numpy as np
import pytest

from cbi_pipeline.forecasting import Panel, PanelSpec


def refuse(make_arrays, match: str, **changes):
    spec, content = make_arrays({"daily": 40})
    for name, change in changes.items():
        content[name] = change(content[name].copy())
    with pytest.raises(ValueError, match=match):
        Panel.from_numpy(spec, **content)


def put(index, value):
    def change(array):
        array[index] = value
        return array

    return change


def test_an_unmasked_nan_is_refused_by_name_with_the_remedy(make_arrays):
    refuse(make_arrays, "values_RF: NaN.*set absent entries to 0", values_RF=put((5, 1), np.nan))


def test_an_infinite_target_is_refused(make_arrays):
    refuse(make_arrays, "target_RH: NaN or infinite", target_RH=put((5, 1), np.inf))


def test_a_wrong_shape_names_the_tensor_and_both_shapes(make_arrays):
    refuse(make_arrays, r"mask_RF: shape is \(40, 2\).*\(40, 3\)", mask_RF=lambda a: a[:, :2])


def test_float64_rows_are_refused_with_the_conversion(make_arrays):
    refuse(make_arrays, "values_RF: dtype is float64.*astype", values_RF=lambda a: a.astype(float))


def test_zero_variance_at_a_ready_row_is_refused(make_arrays):
    refuse(make_arrays, "variance_R2: zero.*ready_R", variance_R2=put((10, 0), 0.0))


def test_zero_variance_is_fine_before_a_row_is_ready(make_arrays):
    spec, content = make_arrays({"daily": 40})
    content["variance_R2"][0] = 0.0
    assert Panel.from_numpy(spec, **content).rows == 40


def test_unsorted_sessions_are_refused(make_arrays):
    refuse(make_arrays, "session_R: rows must be unique", session_R=lambda a: a[::-1])


def test_a_position_of_another_commodity_is_refused(make_arrays):
    spec, content = make_arrays({"daily": 40, "weekly": 8})
    content["pos_DC"][0, 1] = 0
    with pytest.raises(ValueError, match=r"pos_DC.*another commodity"):
        Panel.from_numpy(spec, **content)


def test_a_known_target_without_its_publication_instant_is_refused(make_arrays):
    refuse(
        make_arrays,
        "target_available_RH",
        target_available_RH=put((0, 0), np.iinfo(np.int64).max),
    )


def test_a_missing_array_is_named(make_arrays):
    spec, content = make_arrays({"daily": 40})
    del content["age_RG"]
    with pytest.raises(ValueError, match=r"missing.*age_RG"):
        Panel.from_numpy(spec, **content)


def test_one_row_is_refused(make_arrays):
    spec, content = make_arrays({"daily": 40})
    one = {name: a[:1] for name, a in content.items()}
    with pytest.raises(ValueError, match="at least two"):
        Panel.from_numpy(spec, **one)


def test_a_step_per_commodity_and_horizon_is_required():
    with pytest.raises(ValueError, match="steps: give one row per commodity"):
        PanelSpec("s", ("f",), (), ("a", "b"), ("1w",), ((5,),))


def test_the_identity_follows_every_tensor(make_arrays):
    spec, content = make_arrays({"daily": 40})
    before = Panel.from_numpy(spec, **content).identity()
    assert before == Panel.from_numpy(spec, **content).identity()
    content["age_RG"][7, 0] += 1
    assert before != Panel.from_numpy(spec, **content).identity()


def test_prices_returns_and_realised_variances_that_are_left_out_are_absent(make_arrays):
    """What serves a version of an earlier release hands over none."""
    spec, content = make_arrays({"daily": 40, "weekly": 8})
    panel = Panel.from_numpy(spec, **content)
    for tensor in (panel.price_R, panel.return_R, panel.rv_R):
        assert tensor.shape == (48,)
        assert bool(tensor.isnan().all())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("return_R", np.inf, "return_R: infinite.*NaN"), ("rv_R", -1e-4, "rv_R: negative")],
)
def test_returns_and_realised_variances_that_cannot_be_are_refused(make_arrays, name, value, words):
    spec, content = make_arrays({"daily": 40})
    with pytest.raises(ValueError, match=words):
        Panel.from_numpy(spec, **content, **{name: np.full(40, value)})
