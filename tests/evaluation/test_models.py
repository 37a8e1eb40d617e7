"""Every kind of statistical model: fitted, saved, opened by a stranger, asked again."""

import dataclasses
import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from cbi_pipeline.evaluation.models.boosted import Boosted, BoostedRecipe
from cbi_pipeline.evaluation.models.ewma import Ewma
from cbi_pipeline.evaluation.models.garch import Garch
from cbi_pipeline.forecasting import load_model
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.climatology import Climatology
from cbi_pipeline.forecasting.models.garch import GarchRecipe
from cbi_pipeline.forecasting.models.har import Har
from cbi_pipeline.forecasting.models.prior import Prior
from cbi_pipeline.forecasting.storage import read_sealed, seal
from tests.evaluation import panels
from tests.evaluation.models import blend

ESTIMATORS = [
    Climatology(),
    Ewma(),
    Prior(),
    Garch(),
    Garch(GarchRecipe(name="gjr_t", asymmetric=True)),
    Har(),
    blend(),
]
if find_spec("lightgbm"):
    ESTIMATORS.append(Boosted(BoostedRecipe(name="lightgbm", feature_set="f-1")))
#: What predicts from the file alone; nothing but numpy, torch and safetensors can be imported.
STRANGER = """
import sys
sys.modules |= dict.fromkeys(("arch", "scipy", "polars", "pandas", "lightgbm"))
import numpy, torch
from pathlib import Path
from cbi_pipeline.forecasting import Panel, load_model
numpy.random.seed(int(sys.argv[2]))
model = load_model(Path(sys.argv[1]) / "model")
arrays = dict(numpy.load(Path(sys.argv[1]) / "panel.npz"))
rows = arrays.pop("rows")
said = model.predict(Panel.from_numpy(model.spec, **arrays), rows)
print([value.hex() for part in said for value in part.ravel().tolist()])
"""


@pytest.fixture(scope="module")
def panel():
    return panels.panel(weeks=320)


@pytest.fixture(scope="module")
def fold(panel):
    """Refit in the middle of the record; origins of both commodities after it."""
    refit = (panels.FIRST_DAY + 7 * 280) * panels.DAY_US
    decision = panel.decision_at_R.numpy()
    before = np.flatnonzero(panel.ready_R.numpy() & (decision <= refit - 40 * panels.DAY_US))
    return Fold("f", refit, before[::2], before[1::2], np.array([1440, 1500, 1590, 1900, 1915]))


@pytest.fixture(scope="module", params=ESTIMATORS, ids=lambda one: one.name)
def model(request, panel, fold):
    return request.param.fit(panel, fold).model


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_saved_model_says_the_same_to_the_bit(model, panel, fold, tmp_path):
    model.save(tmp_path)
    opened = load_model(tmp_path)
    assert opened.recipe == model.recipe
    assert opened.fingerprint() == model.fingerprint()
    assert dict(opened.history) == dict(model.history)
    assert same(opened.predict(panel, fold.test_rows), model.predict(panel, fold.test_rows))


def test_a_stranger_gets_the_same_bits_without_the_libraries_that_fitted_it(
    model, panel, fold, tmp_path
):
    if model.libraries:
        pytest.skip("it predicts with a library of its own")
    model.save(tmp_path / "model")
    arrays = {name: tensor.numpy() for name, tensor in panel.tensors().items()}
    np.savez(tmp_path / "panel.npz", rows=fold.test_rows, **arrays)
    expected = [v.hex() for part in model.predict(panel, fold.test_rows) for v in part.ravel()]
    for seed in ("1", "2"):
        program = [sys.executable, "-c", STRANGER, str(tmp_path), seed]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        assert json.loads(done.stdout.replace("'", '"')) == expected


def shaken(panel, since):
    """The panel with other values in rows decided after an instant, and other later outcomes."""
    rng = np.random.default_rng(9)
    later_R = panel.decision_at_R > since
    later_RH = panel.target_available_RH > since

    def other(values, is_later):
        noise = torch.from_numpy(rng.uniform(2.0, 9.0, tuple(values.shape))).to(values.dtype)
        mask = is_later.reshape(-1, *[1] * (values.ndim - 1)) if is_later.ndim == 1 else is_later
        return torch.where(mask, values * noise, values)

    return dataclasses.replace(
        panel,
        target_RH=other(panel.target_RH, later_RH),
        **{
            name: other(getattr(panel, name), later_R)
            for name in ("values_RF", "variance_R2", "price_R", "return_R")
        },
    )


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: one.name)
def test_nothing_that_became_known_after_the_refit_changes_what_is_fitted(estimator, panel, fold):
    later = shaken(panel, fold.refit_at_us)
    assert not torch.equal(later.return_R, panel.return_R)
    one, other = (estimator.fit(given, fold).model for given in (panel, later))
    assert one.fingerprint() == other.fingerprint()
    before = np.flatnonzero(panel.decision_at_R.numpy() <= fold.refit_at_us)[-3:]
    assert same(one.predict(panel, before), other.predict(later, before))


def test_rows_after_an_origin_change_nothing_that_it_says(model, panel, fold):
    cut = panels.panel(weeks=320, until=300)
    kept = cut.commodity_R.numpy() == 0
    rows = np.flatnonzero(kept)[-3:]
    assert same(model.predict(cut, rows), model.predict(panel, rows))


def test_a_panel_of_other_axes_is_refused_by_the_name_of_the_axis(model, panel, fold):
    other = panels.panel(weeks=60)
    spec = type(other.spec)("f-2", *list(vars(other.spec).values())[1:])
    with pytest.raises(ValueError, match=r"panel.spec.feature_set is f-2"):
        model.predict(type(other)(spec, **other.tensors()), fold.test_rows)


def test_one_flipped_bit_of_the_file_is_refused(model, tmp_path):
    model.save(tmp_path)
    path = tmp_path / "model.json"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"model.json is damaged"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "name", ["os:system", "cbi_pipeline.settings:Settings", "cbi_pipeline.forecasting.models.no:No"]
)
def test_a_file_that_names_no_model_of_ours_runs_nothing(panel, fold, tmp_path, name):
    Prior().fit(panel, fold).model.save(tmp_path)
    path = tmp_path / "model.json"
    path.write_bytes(seal({**read_sealed(path), "class": name}))
    with pytest.raises(ValueError, match=f"this version has no model {name}"):
        load_model(tmp_path)


def test_a_model_states_how_many_rows_of_each_commodity_it_reads(panel, fold):
    decided = panel.decision_at_R.numpy() <= fold.refit_at_us
    rows = np.bincount(panel.commodity_R.numpy()[decided]).tolist()
    whole = dict(zip(panel.spec.commodities, rows, strict=True))
    newest = dict.fromkeys(panel.spec.commodities, 1)
    for estimator, expected in ((Climatology(), whole), (Garch(), whole), (Ewma(), newest)):
        assert dict(estimator.fit(panel, fold).model.history) == expected


def test_a_model_says_which_commodity_it_has_too_little_history_for(panel):
    refit = (panels.FIRST_DAY + 7 * 120) * panels.DAY_US
    empty = np.array([], dtype=np.int64)
    young = Fold("f", refit, empty, empty, np.array([640, 1730]))
    model = Garch().fit(panel, young).model
    (absence,) = model.absences(panel, young.test_rows)
    assert (absence.commodity, absence.rows.tolist()) == ("weekly", [1730])
    assert "no variance equation could be fitted" in absence.reason
