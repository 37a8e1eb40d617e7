"""What a walk-forward costs is told from a sample of its folds, before most are forecast."""

import dataclasses

import numpy as np
import pytest

from cbi_pipeline.evaluation import estimate_cost, plan, walk_forward
from cbi_pipeline.evaluation.cost import choose_sample
from cbi_pipeline.forecasting import Forecasts
from tests.evaluation import panels
from tests.evaluation.models import Scripted, recipe

LEVELS = (0.1, 0.5, 0.9)


@dataclasses.dataclass(frozen=True)
class Slow(Scripted):
    """Takes as long as there are rows to train on, by a clock of its own."""

    recipe: object = recipe("slow", LEVELS)
    clock: list = dataclasses.field(default_factory=lambda: [0.0])
    asked: list = dataclasses.field(default_factory=list)
    fails: bool = False

    def forecast(self, panel, fold, folder):
        if self.fails:
            raise RuntimeError("no forecast")
        self.asked.append(fold.name)
        self.clock[0] += 1.0 + fold.train_rows.size
        shape = (len(fold.test_rows), len(panel.spec.horizons))
        q = np.broadcast_to(np.array([-0.1, 0.0, 0.1]), (*shape, 3)).copy()
        return Forecasts(q, np.full(shape, 0.5), np.full(shape, 0.1))


@pytest.fixture(scope="module")
def world():
    panel = panels.panel(weeks=500)
    wanted = panels.catalogue(years=8, origins=5000)
    return panel, plan(panel, wanted, panels.rows(panel))


@pytest.fixture
def estimated(world, tmp_path, monkeypatch):
    """Estimates the cost of recipes, each by its own clock, with folds kept in one folder."""
    panel, planned = world

    def run(slow, **options):
        monkeypatch.setattr("cbi_pipeline.evaluation.cost.time.monotonic", lambda: slow.clock[0])
        given = {"targets": panels.targets(panel), "cache_dir": tmp_path, "code": {}, **options}
        return estimate_cost(panel, [slow], planned, **given)

    return run


def walk(world, tmp_path, slow):
    panel, planned = world
    return walk_forward(
        panel, [slow], planned, targets=panels.targets(panel), evaluation_id="e", cache_dir=tmp_path
    )


def test_it_comes_within_a_tenth_where_later_folds_cost_more(world, estimated, tmp_path):
    slow = Slow()
    told = estimated(slow)["slow"]
    before = slow.clock[0]
    walk(world, tmp_path, slow)
    assert told == pytest.approx(slow.clock[0] - before, rel=0.1)


def test_the_folds_of_the_sample_are_not_forecast_again(world, estimated, tmp_path):
    slow = Slow()
    estimated(slow)
    sampled = len(slow.asked)
    walk(world, tmp_path, slow)
    assert 0 < sampled < len(slow.asked) / 2
    assert len(set(slow.asked)) == len(slow.asked)


def test_what_is_finished_costs_nothing(world, estimated, tmp_path):
    slow = Slow()
    walk(world, tmp_path, slow)
    assert estimated(slow) == {}


def test_a_recipe_that_fails_in_the_sample_is_told_and_costs_nothing(estimated):
    told = []
    costs = estimated(Slow(fails=True), on_failure=lambda *failure: told.append(failure))
    assert costs == {}
    assert [(name, str(error)) for name, error in told] == [("slow", "no forecast")]


def test_a_failure_that_nobody_asks_for_is_raised(estimated):
    with pytest.raises(RuntimeError, match="no forecast"):
        estimated(Slow(fails=True))


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 33, 400])
def test_the_sample_is_small_and_spread_over_all_folds(count):
    chosen = choose_sample(range(count))
    assert len(set(chosen)) == len(chosen) <= 5
    assert bool(chosen) == bool(count)
    gaps = np.diff([-1, *chosen, count])
    assert not count or gaps.max() <= 1 + count / len(chosen)
