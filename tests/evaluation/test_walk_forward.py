import dataclasses
import hashlib

import numpy as np
import polars as pl
import pytest
import torch

from cbi_pipeline.evaluation import decide, evaluation_id, plan, score, walk_forward
from cbi_pipeline.evaluation.estimators import as_estimator
from cbi_pipeline.evaluation.models.ewma import Ewma
from cbi_pipeline.forecasting import Forecasts
from cbi_pipeline.forecasting.models.climatology import Climatology
from data_contracts.evaluation import FORECAST
from tests.evaluation import panels, worlds
from tests.evaluation.models import Scripted, baselines, recipe
from tests.recipes import tiny

LEVELS = Ewma().levels


@dataclasses.dataclass(frozen=True)
class Recorder(Scripted):
    """Forecasts what was last known at the refit, and remembers every fold it was asked for."""

    recipe: object = recipe("recorder", LEVELS)
    folds: list = dataclasses.field(default_factory=list)
    fail_at: int | None = None

    def identity(self):
        return hashlib.sha256(self.name.encode()).hexdigest()

    def forecast(self, panel, fold, folder):
        if self.fail_at == len(self.folds):
            raise KeyboardInterrupt
        self.folds.append(fold)
        known = panel.target_RH.numpy()[fold.train_rows].astype(float)
        shape = (len(fold.test_rows), known.shape[1])
        spread = np.arange(len(self.levels)) - 6.0
        q = known.mean(axis=0)[None, :, None] + known.std(axis=0)[None, :, None] * spread
        return Forecasts(
            np.broadcast_to(q, (*shape, len(spread))), np.full(shape, 0.5), np.ones(shape)
        )


@pytest.fixture(scope="module")
def panel():
    return panels.panel()


@pytest.fixture(scope="module")
def planned(panel):
    return plan(panel, panels.catalogue(), panels.rows(panel))


def run(panel, planned, recipes, **options):
    known = panels.targets(panel)
    return walk_forward(panel, recipes, planned, targets=known, evaluation_id="e", **options)


def test_every_origin_is_forecast_once_per_horizon_level_and_recipe(panel, planned):
    frame = run(panel, planned, [Climatology(), Ewma()])
    FORECAST.validate(frame)
    assert not frame.select(FORECAST.key).is_duplicated().any()
    assert frame.height == planned.origins.height * 2 * len(LEVELS) * 2


def test_each_line_carries_its_origins_session_instant_and_price(panel, planned):
    frame = run(panel, planned, [Ewma()]).unique(["commodity", "origin_session"])
    joined = frame.join(
        planned.origins, left_on=["commodity", "origin_session"], right_on=["commodity", "session"]
    )
    assert joined.height == planned.origins.height
    assert (joined["as_of"] == joined["decision_at"]).all()
    assert (joined["origin_price"] == joined["price"]).all()


def test_each_horizon_carries_the_commoditys_own_number_of_sessions(panel, planned):
    frame = run(panel, planned, [Ewma()])
    for name, steps in panels.STEPS.items():
        own = frame.filter(pl.col("commodity") == name)
        assert set(own["horizon"]) == set(steps)
        spread = own.group_by("horizon").agg(pl.col("volatility").first()).sort("horizon")
        assert spread["volatility"].to_list() == pytest.approx(
            [np.sqrt(count * 1e-4) for count in steps], rel=1e-6
        )


def test_no_fold_trains_on_a_target_that_was_not_public_at_its_refit(panel, planned):
    recorder = Recorder()
    run(panel, planned, [recorder])
    assert len(recorder.folds) >= 8
    public, decision = panel.target_available_RH.numpy(), panel.decision_at_R.numpy()
    week = 7 * panels.DAY_US
    for fold in recorder.folds:
        assert public[fold.train_rows].max() <= fold.refit_at_us - week
        assert public[fold.validation_rows].max() <= fold.refit_at_us - week
        assert public[fold.train_rows].max() < decision[fold.validation_rows].min()
        assert decision[fold.test_rows].min() >= fold.refit_at_us


def test_the_longest_horizon_lies_between_training_and_test_origins(panel, planned):
    recorder = Recorder()
    run(panel, planned, [recorder])
    decision = panel.decision_at_R.numpy()
    for fold in recorder.folds:
        gap = decision[fold.test_rows].min() - decision[fold.train_rows].max()
        assert gap >= 4 * 7 * panels.DAY_US


def test_forecasts_do_not_change_when_the_future_does(panel, planned):
    shorter = panels.panel(until=230)
    kept = planned.origins.join(
        panels.rows(shorter).select("commodity", "session"), on=["commodity", "session"]
    )
    catalogue, rows = panels.catalogue(), panels.rows(shorter)
    early = plan(shorter, catalogue, rows)
    before, after = (
        run(one, its, [Climatology(), Ewma(), Recorder()]).drop("origin_price")
        for one, its in ((shorter, early), (panel, planned))
    )
    both = before.join(after, on=FORECAST.key, suffix="_after")
    assert both.height > kept.height * 2 * len(LEVELS)
    assert (both["value"] == both["value_after"]).all()


def test_a_second_run_reads_finished_folds_and_gives_the_same_rows(panel, planned, tmp_path):
    seen = []
    first = run(panel, planned, [Recorder()], cache_dir=tmp_path, on_fold=seen.append)
    idle = Recorder()
    second = run(panel, planned, [idle], cache_dir=tmp_path, on_fold=seen.append)
    assert second.equals(first)
    assert idle.folds == []
    half = len(seen) // 2
    assert [done.cached for done in seen] == [False] * half + [True] * half
    assert [done.done for done in seen[:half]] == list(range(1, half + 1))
    assert {done.total for done in seen} == {half}


def test_an_interrupted_run_continues_with_the_fold_it_stopped_in(panel, planned, tmp_path):
    whole = run(panel, planned, [Recorder()])
    with pytest.raises(KeyboardInterrupt):
        run(panel, planned, [Recorder(fail_at=3)], cache_dir=tmp_path)
    rest = Recorder()
    assert run(panel, planned, [rest], cache_dir=tmp_path).equals(whole)
    assert len(rest.folds) == len(Recorder().folds) + whole["fold"].n_unique() - 3


def test_finished_folds_stay_finished_as_the_record_grows(panel, planned, tmp_path):
    shorter = panels.panel(until=240)
    catalogue = panels.catalogue(origins=1000)
    run(shorter, plan(shorter, catalogue, panels.rows(shorter)), [Recorder()], cache_dir=tmp_path)
    later = Recorder()
    # The longer record's stretch starts later, so its first quarter holds fewer origins.
    longer = panels.panel(until=241)
    run(longer, plan(longer, catalogue, panels.rows(longer)), [later], cache_dir=tmp_path)
    names = [fold.name for fold in later.folds]
    assert 1 <= len(names) <= 3


@pytest.mark.parametrize("tensor", ["values_RF", "target_RH", "variance_R2", "price_R", "return_R"])
def test_a_changed_past_is_computed_again(panel, planned, tmp_path, tensor):
    run(panel, planned, [Recorder()], cache_dir=tmp_path)
    changed = getattr(panel, tensor).clone()
    changed[330] += 0.25
    again = Recorder()
    other = dataclasses.replace(panel, **{tensor: changed})
    run(other, planned, [again], cache_dir=tmp_path)
    assert len(again.folds) == run(panel, planned, [Recorder()])["fold"].n_unique()


def test_other_code_computes_again(panel, planned, tmp_path):
    run(panel, planned, [Recorder()], cache_dir=tmp_path, code={"recorder": "one"})
    again = Recorder()
    run(panel, planned, [again], cache_dir=tmp_path, code={"recorder": "another"})
    assert again.folds
    same = Recorder()
    run(panel, planned, [same], cache_dir=tmp_path, code={"recorder": "one"})
    assert not same.folds


def test_contenders_need_names_of_their_own(panel, planned):
    with pytest.raises(ValueError, match="its own name"):
        run(panel, planned, [Ewma(), Ewma()])


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_forecasts_that_are_not_finite_stop_the_evaluation(panel, planned, poison):
    class Broken(Recorder):
        def forecast(self, panel, fold, folder):
            q, up, vol = super().forecast(panel, fold, folder)
            return Forecasts(np.where(q == q.max(), poison, q), up, vol)

    with pytest.raises(ValueError, match="not finite or quantiles that cross"):
        run(panel, planned, [Broken()])


def test_crossing_quantiles_stop_the_evaluation(panel, planned):
    class Crossing(Recorder):
        def forecast(self, panel, fold, folder):
            q, up, vol = super().forecast(panel, fold, folder)
            return Forecasts(q[..., ::-1], up, vol)

    with pytest.raises(ValueError, match="quantiles that cross"):
        run(panel, planned, [Crossing()])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A real network walked forward twice a year apart, with its folder."""
    torch.set_num_threads(1)
    panel = panels.panel(weeks=200)
    catalogue = panels.catalogue(years=1, origins=40, refits="yearly")
    planned = plan(panel, catalogue, panels.rows(panel))
    folder = tmp_path_factory.mktemp("walk")
    known = panels.targets(panel)
    contenders = [*baselines(), tiny("f-1")]
    name = evaluation_id(
        "s", worlds.NOW, [as_estimator(one) for one in contenders], planned, panel.spec
    )
    frame = walk_forward(
        panel, contenders, planned, targets=known, evaluation_id=name, cache_dir=folder
    )
    return panel, catalogue, planned, folder, frame


def test_a_network_is_judged_by_the_same_table_as_the_naive_forecasts(trained):
    panel, catalogue, _, _, frame = trained
    assert set(frame["recipe"]) == {"climatology", "ewma", "prior", "tiny"}
    targets = panels.targets(panel)
    assert score(frame, targets, catalogue).height
    (made,) = decide(frame, targets, ["tiny"], "prior", catalogue, decided_at=worlds.NOW)
    assert made.verdict in {"no_skill", "abstain", "keep"}


def test_a_trained_fold_is_read_back_with_the_same_bits(trained):
    panel, _, planned, folder, frame = trained
    again = walk_forward(
        panel,
        [tiny("f-1")],
        planned,
        targets=panels.targets(panel),
        evaluation_id=frame["evaluation_id"][0],
        cache_dir=folder,
    )
    assert again.equals(frame.filter(pl.col("recipe") == "tiny"))
