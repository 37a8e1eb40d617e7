"""Networks over anchors: untrained they are the anchor, and no anchor has seen what is forecast."""

import dataclasses

import numpy as np
import pytest
import torch

from cbi_pipeline.evaluation import estimator_of
from cbi_pipeline.evaluation.anchors import AnchorFit
from cbi_pipeline.forecasting.anchor import Anchor
from cbi_pipeline.forecasting.folds import make_final_fold
from cbi_pipeline.forecasting.models.climatology import ClimatologyRecipe
from cbi_pipeline.forecasting.models.ewma import EwmaRecipe
from cbi_pipeline.forecasting.models.garch import GarchRecipe
from cbi_pipeline.forecasting.models.har import HarRecipe
from cbi_pipeline.forecasting.models.prior import PriorRecipe
from cbi_pipeline.forecasting.models.recipe import StatisticalRecipe
from cbi_pipeline.forecasting.panel import NEVER
from cbi_pipeline.forecasting.train import build_untrained
from cbi_pipeline.model_kinds import MODEL_KINDS, ModelKind
from tests.evaluation import panels
from tests.evaluation.models import blend
from tests.recipes import tiny

RECIPES = {
    recipe.name: recipe
    for recipe in (
        ClimatologyRecipe(),
        EwmaRecipe(),
        PriorRecipe(),
        GarchRecipe(),
        GarchRecipe(name="gjr_t", asymmetric=True),
        HarRecipe(),
        blend().recipe,
    )
}


def over(anchor, **training):
    """The estimator of a tiny network over an anchor."""
    recipe = dataclasses.replace(tiny("f-1"), anchor=anchor)
    return estimator_of(recipe.with_training(**training))


def newest(panel, share=0.2):
    return make_final_fold(
        panel, int(panel.decision_at_R.max()), embargo_days=7, validation_share=share
    )


def changed_after(panel, instant):
    """The panel with other prices, returns, variances, features and targets after an instant."""
    rng = np.random.default_rng(1)
    later = panel.decision_at_R > instant
    told_later = later[:, None] | (panel.target_available_RH > instant)
    noise = torch.from_numpy(rng.standard_normal(panel.rows))
    return dataclasses.replace(
        panel,
        price_R=torch.where(later, panel.price_R * (0.1 * noise).exp(), panel.price_R),
        return_R=torch.where(later, 0.1 * noise, panel.return_R),
        variance_R2=torch.where(later[:, None], 4e-4, panel.variance_R2).float(),
        values_RF=torch.where(later[:, None], 9.0, panel.values_RF).float(),
        target_RH=torch.where(told_later, 0.3, panel.target_RH).float(),
    )


@pytest.fixture(scope="module")
def panel():
    return panels.panel(weeks=420)


@pytest.fixture(scope="module")
def fold(panel):
    return newest(panel)


@pytest.mark.parametrize("name", RECIPES)
def test_an_untrained_network_is_its_anchor(name, panel, fold):
    estimator = over(RECIPES[name], max_epochs=0)
    assert not estimator.absences(panel, fold)
    model = estimator.fit(panel, fold).model
    rows = np.sort(np.concatenate([fold.test_rows, fold.validation_rows[::7]]))
    alone = model.anchor.model.predict(panel, rows)
    for mine, its in zip(model.predict(panel, rows), alone, strict=True):
        assert mine == pytest.approx(its, abs=1e-6)


@pytest.mark.parametrize("name", RECIPES)
def test_nothing_later_than_the_newest_training_row_reaches_the_anchor(name, panel, fold):
    fit = AnchorFit.of(RECIPES[name])
    instant = int(panel.decision_at_R[fold.train_rows].max())
    other = changed_after(panel, instant)
    anchor = fit.fit(panel, fold)
    assert fit.fit(other, fold).fingerprint() == anchor.fingerprint()
    rows = torch.from_numpy(fold.train_rows)
    before, after = anchor.forecast(panel, rows), anchor.forecast(other, rows)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_nothing_later_than_the_refit_reaches_the_network(panel):
    refit = int(panel.decision_at_R.max()) - 300 * panels.DAY_US
    fold = make_final_fold(panel, refit, embargo_days=7, validation_share=0.2)
    estimator, other = over(blend().recipe), changed_after(panel, refit)
    model, again = (estimator.fit(given, fold).model for given in (panel, other))
    assert again.fingerprint() == model.fingerprint()
    for one, two in zip(
        model.predict(panel, fold.test_rows), again.predict(other, fold.test_rows), strict=True
    ):
        assert np.array_equal(one, two)


@dataclasses.dataclass(frozen=True)
class Clairvoyant:
    """An estimator that keeps every target it is shown, and the model that repeats them."""

    recipe: StatisticalRecipe

    def fit(self, panel, fold, **_):
        prior = estimator_of(PriorRecipe(levels=self.recipe.levels)).fit(panel, fold).model
        public = panel.target_mask_RH.numpy() & (panel.target_available_RH.numpy() < NEVER)
        keys = zip(panel.commodity_R.tolist(), panel.session_R.tolist(), strict=True)
        seen = {key: (panel.target_RH[row].numpy(), public[row]) for row, key in enumerate(keys)}

        class Repeats(type(prior)):
            def predict(self, panel, rows_N):
                given = super().predict(panel, rows_N)
                for n, row in enumerate(rows_N):
                    key = int(panel.commodity_R[row]), int(panel.session_R[row])
                    target, is_seen = seen.get(key, (0.0, np.zeros(2, bool)))
                    near = target[:, None] + 0.01 * given.q_NHQ[n] if is_seen.any() else 0.0
                    given.q_NHQ[n] = np.where(is_seen[:, None], near, given.q_NHQ[n])
                return given

        model = Repeats(prior.recipe, prior.spec)
        object.__setattr__(model, "recipe", self.recipe)
        return type("Fitted", (), {"model": model})

    def absences(self, panel, fold):
        return ()


@pytest.fixture
def clairvoyant(monkeypatch):
    """A recipe of a kind whose estimator has no scruples."""
    monkeypatch.setitem(
        MODEL_KINDS, "prior_seen", ModelKind("tests.evaluation.test_anchors:Clairvoyant")
    )
    monkeypatch.setattr(StatisticalRecipe, "kinds", dict(StatisticalRecipe.kinds))

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Seen(StatisticalRecipe, kind="prior_seen"):
        name: str = "seen"

    return Seen()


def pinball(forecasts, panel, rows, levels):
    """Mean pinball loss in units of the targets' spread, over the rows' known targets."""
    y = panel.target_RH.numpy()[rows].astype(np.float64)[..., None]
    miss = y - forecasts.q_NHQ
    known = panel.target_mask_RH.numpy()[rows]
    loss = np.maximum(np.array(levels) * miss, (np.array(levels) - 1.0) * miss).mean(axis=-1)
    return float((loss / y.std(axis=0).ravel())[known].mean())


def test_over_an_anchor_that_keeps_every_target_it_is_shown_a_network_gains_nothing(
    clairvoyant, panel
):
    refit = int(panel.decision_at_R.max()) - 500 * panels.DAY_US
    fold = make_final_fold(panel, refit, embargo_days=7, validation_share=0.2)
    later = np.flatnonzero(
        (panel.decision_at_R.numpy() > refit) & panel.target_mask_RH.numpy().all(axis=1)
    )
    network = over(clairvoyant).fit(panel, fold).model
    levels = network.recipe.levels
    honest = estimator_of(PriorRecipe()).fit(panel, fold).model.predict(panel, later)
    bound = pinball(honest, panel, later, levels)
    assert pinball(network.predict(panel, later), panel, later, levels) > 0.99 * bound
    # The same anchor, shown everything, would look like an oracle: the plant is a real one.
    leaked = Anchor(Clairvoyant(network.recipe.anchor_recipe).fit(panel, fold).model, {})
    oracle = build_untrained(network.recipe, panel, fold.train_rows, anchor=leaked)
    assert pinball(oracle.predict(panel, later), panel, later, levels) < 0.1 * bound


def test_rows_without_an_anchor_train_nothing():
    early = panels.panel(weeks=260, warm_up=1)
    fold = newest(early)
    estimator = over(ClimatologyRecipe())
    rows = torch.from_numpy(fold.train_rows)
    has = estimator.fit(early, fold).model.anchor.forecast(early, rows).has_R
    without = rows[~has[rows]].numpy()
    assert 0 < len(without) < len(rows)
    target, values = early.target_RH.numpy().copy(), early.values_RF.numpy().copy()
    target[without] = 7.0
    window = estimator.recipe.window
    far = without[~np.isin(without[:, None] + np.arange(window), rows[has[rows]]).any(axis=1)]
    values[far] = -50.0
    rubbish = dataclasses.replace(
        early, target_RH=torch.from_numpy(target), values_RF=torch.from_numpy(values)
    )
    weights = [estimator.fit(given, fold).model.network.state_dict() for given in (early, rubbish)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_commodity_that_the_anchor_cannot_forecast_sits_out_with_its_reason(panel):
    short = panels.panel(weeks=260)
    fold, estimator = newest(short), over(GarchRecipe())
    (absence,) = estimator.absences(short, fold)
    assert absence.commodity == "weekly"
    assert "returns were public at the refit" in absence.reason
    model = estimator.fit(short, fold).model
    (absent,) = model.absences(short, fold.test_rows)
    assert absent.rows.tolist() == absence.rows.tolist()
    with pytest.raises(ValueError, match="weekly: no variance equation could be fitted"):
        model.predict(short, fold.test_rows)


def test_where_no_training_row_has_an_anchor_every_row_sits_out():
    brief = panels.panel(weeks=70, warm_up=10)
    fold = newest(brief)
    absences = over(HarRecipe()).absences(brief, fold)
    assert {absence.commodity for absence in absences} == {"daily", "weekly"}
    assert "no row to train on has an anchor: har: " in absences[0].reason


def test_it_reads_as_much_of_the_record_as_its_anchor(panel, fold):
    counts = {"daily": 2100, "weekly": 420}
    assert over(GarchRecipe(), max_epochs=0).fit(panel, fold).model.history == counts
    window = tiny("f-1").window
    assert over(EwmaRecipe(), max_epochs=0).fit(panel, fold).model.history == dict.fromkeys(
        counts, window
    )


def test_the_code_of_its_anchor_is_its_code():
    assert "cbi_pipeline.evaluation.models.garch" in over(blend().recipe).modules
    assert over(GarchRecipe()).identity() != over(HarRecipe()).identity() != over(None).identity()
