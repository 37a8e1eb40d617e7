"""A recipe or a commodity with too little history sits out, in words; the others go on."""

import dataclasses
import json
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
import torch

from cbi_pipeline.evaluation import (
    Rolling,
    absences,
    decide,
    estimator_of,
    plan,
    score,
    walk_forward,
)
from cbi_pipeline.evaluation.models.ewma import Ewma
from cbi_pipeline.evaluation.models.garch import Garch
from cbi_pipeline.forecasting.models.climatology import Climatology
from cbi_pipeline.forecasting.models.ewma import EwmaRecipe
from cbi_pipeline.forecasting.models.model import Absence, by_commodity
from data_contracts.evaluation import ABSENCE, SCORE
from tests.evaluation import panels, worlds
from tests.recipes import tiny, untrained_network


@dataclass(frozen=True)
class LateStarter(Ewma):
    """Forecasts the weekly commodity from its 1700th row of the panel on."""

    recipe: EwmaRecipe = EwmaRecipe(name="late_starter")  # noqa: RUF009

    def absences(self, panel, fold):
        weekly = by_commodity(panel, fold.test_rows).get("weekly", np.array([], dtype=np.int64))
        early = weekly[weekly < 1500]
        return [Absence("weekly", early, "too early")] if early.size else []


@pytest.fixture(scope="module")
def panel():
    return panels.panel()


@pytest.fixture(scope="module")
def planned(panel):
    return plan(panel, panels.catalogue(), panels.rows(panel))


def arguments(panel, contenders, planned):
    return {
        "panel": panel,
        "recipes": contenders,
        "plan": planned,
        "targets": panels.targets(panel),
        "evaluation_id": "e",
    }


def test_a_contender_forecasts_all_but_what_it_sits_out_and_the_others_everything(panel, planned):
    given = arguments(panel, [Ewma(), LateStarter()], planned)
    frame = walk_forward(**given)
    origins = {
        name: set(part.select("commodity", "origin_session").rows())
        for (name,), part in frame.partition_by("recipe", as_dict=True).items()
    }
    everything = set(planned.origins.select("commodity", "session").rows())
    assert origins["ewma"] == everything
    early = planned.origins.filter(commodity="weekly").filter(pl.col("row") < 1500)
    assert everything - origins["late_starter"] == set(early.select("commodity", "session").rows())


def test_what_is_sat_out_is_counted_dated_and_said_in_words(panel, planned):
    table = absences(**arguments(panel, [Ewma(), LateStarter()], planned))
    ABSENCE.validate(table)
    weekly = planned.origins.filter(commodity="weekly")
    early = weekly.filter(pl.col("row") < 1500)
    assert table.rows() == [
        (
            "e",
            "late_starter",
            "weekly",
            early.height,
            weekly.height,
            early["session"].max(),
            "too early",
        )
    ]


def test_the_evaluation_goes_on_with_a_commodity_too_short_for_garch():
    panel = panels.panel(weeks=300)
    catalogue = panels.catalogue(years=25, origins=80, refits="yearly")
    planned = plan(panel, catalogue, panels.rows(panel))
    contenders = [Climatology(), Ewma(), Garch()]
    given = arguments(panel, contenders, planned)
    frame = walk_forward(**given)
    assert set(frame.filter(recipe="ewma")["commodity"]) == {"daily", "weekly"}
    spoke = set(frame.filter(recipe="garch_t", commodity="weekly")["fold"])
    assert spoke == {"2015-01-01"}
    (row,) = absences(**given).filter(recipe="garch_t", commodity="weekly").rows(named=True)
    assert row["reason"] == "208 returns were public at the refit of 2014-01-01, it needs 250"


def test_years_beyond_the_record_start_where_there_is_something_to_train_on():
    panel = panels.panel(weeks=300)
    planned = plan(panel, panels.catalogue(years=100, origins=5000), panels.rows(panel))
    assert planned.refits[0] == datetime(2011, 7, 1, tzinfo=UTC)
    assert planned.origins["decision_at"].min() >= planned.refits[0]
    whole = walk_forward(**arguments(panel, [untrained_network("f-1")], planned))
    assert set(whole["fold"]) == {str(refit.date()) for refit in planned.refits}


def test_a_rolling_window_without_a_row_to_train_on_sits_out():
    panel = panels.panel(weeks=500, warm_up=60)
    planned = plan(
        panel, panels.catalogue(years=1, origins=10, refits="yearly"), panels.rows(panel)
    )
    rolling = Rolling(tiny("f-1"), estimator_of(tiny("f-1")), 1)
    given = arguments(panel, [Ewma(), rolling], planned)
    assert set(walk_forward(**given)["recipe"]) == {"ewma"}
    table = absences(**given)
    assert set(table["recipe"]) == {"tiny_rolling"}
    assert (table["absent"] == table["planned"]).all()
    assert table["reason"].str.contains("no row to train on was public at the refit of").all()


def test_networks_sit_out_where_all_history_was_seen_at_once(panel):
    """Rows that became known on one day leave nothing before the rows to validate on."""
    day = int(panel.decision_at_R.max())
    at_once = dataclasses.replace(
        panel,
        decision_at_R=torch.full_like(panel.decision_at_R, day),
        target_available_RH=torch.where(panel.target_mask_RH, day, panel.target_available_RH),
    )
    planned = plan(at_once, panels.catalogue(), panels.rows(at_once))
    given = arguments(at_once, [Ewma(), untrained_network("f-1")], planned)
    assert set(walk_forward(**given)["recipe"]) == {"ewma"}
    assert set(absences(**given)["recipe"]) == {"anchored_untrained"}


@pytest.fixture(scope="module")
def scene():
    """Three recipes; one of them begins forty weeks later, on one commodity only."""
    rng = np.random.default_rng(5)
    world = worlds.world(rng, clustering=0.5, weeks=110)
    flat = np.full_like(world.scale, 0.02) * np.sqrt(np.array([5.0, 20.0]))
    late = world.speak("garch_t", world.scale).filter(
        pl.col("commodity") == "c0", pl.col("origin_session") >= worlds.session(40)
    )
    return world, [
        *(world.speak(name, flat) for name in ("climatology", "ewma", "prior")),
        world.speak("sharp", worlds.noisy(rng, world.scale)),
        late,
    ]


def figures(scores, recipe, commodity="*", horizon="*"):
    rows = scores.filter(recipe=recipe, commodity=commodity, horizon=horizon)
    return {row["metric"]: row for row in rows.iter_rows(named=True)}


def test_each_recipe_is_scored_on_its_own_forecasts_and_says_how_many(scene):
    world, frames = scene
    scores = score(pl.concat(frames), world.targets(), world.catalogue)
    SCORE.validate(scores)
    alone = score(frames[-1], world.targets(), world.catalogue)
    assert figures(scores, "garch_t")["crps"] == figures(alone, "garch_t")["crps"]
    assert figures(scores, "garch_t")["crps"]["count"] == 2 * 70
    assert figures(scores, "sharp")["crps"]["count"] == 2 * 2 * 110
    assert figures(scores, "garch_t", "c1") == {}


def test_two_recipes_are_compared_on_the_origins_that_both_forecast(scene):
    world, frames = scene
    whole = score(pl.concat(frames), world.targets(), world.catalogue)
    shared = [
        part.filter(pl.col("commodity") == "c0", pl.col("origin_session") >= worlds.session(40))
        for part in frames
    ]
    paired = score(pl.concat(shared), world.targets(), world.catalogue)
    one, other = (figures(one, "sharp")["skill_vs_garch_t"] for one in (whole, paired))
    assert one == other
    assert one["count"] == 2 * 70
    assert figures(whole, "sharp")["skill_vs_ewma"]["count"] == 2 * 2 * 110


def test_a_recipe_that_sits_out_changes_no_figure_of_the_others(scene):
    world, frames = scene
    with_it = score(pl.concat(frames), world.targets(), world.catalogue)
    without = score(pl.concat(frames[:-1]), world.targets(), world.catalogue)
    # Chances allow for every opponent there is, so they alone rise with one more.
    other = with_it.filter(
        pl.col("recipe") != "garch_t", ~pl.col("metric").str.contains("vs_garch_t$|^p_")
    )
    assert other.equals(without.filter(~pl.col("metric").str.starts_with("p_")))


def ruled(world, frames, recipe="sharp", champion="prior"):
    (made,) = decide(
        pl.concat(frames), world.targets(), [recipe], champion, world.catalogue,
        decided_at=worlds.NOW, opponents=("climatology", "ewma"),
    )  # fmt: skip
    return made


def test_the_gate_judges_on_what_challenger_and_opponents_all_forecast(scene):
    world, frames = scene
    kept = [part.filter(pl.col("origin_session") >= worlds.session(30)) for part in frames[:-1]]
    late = [*frames[:-2], kept[-1]]
    one, other = ruled(world, late), ruled(world, kept)
    both = [json.loads(made.statistics) for made in (one, other)]
    assert both[0]["contests"] == both[1]["contests"]
    assert both[0]["scored"] == 2 * 2 * 80
    assert one.verdict == other.verdict


def test_below_sixty_percent_of_the_champions_record_the_gate_abstains(scene):
    world, frames = scene
    late = frames[-2].filter(pl.col("origin_session") >= worlds.session(50))
    made = ruled(world, [*frames[:-2], late])
    assert made.verdict == "abstain"
    assert "only 240 of the champion's 440 scored forecasts" in made.reason
    assert "60% are needed" in made.reason


@pytest.mark.parametrize(("recipe", "champion"), [("absent", "prior"), ("sharp", "absent")])
def test_the_gate_abstains_on_a_recipe_that_sat_out_altogether(scene, recipe, champion):
    world, frames = scene
    made = ruled(world, frames, recipe, champion)
    assert made.verdict == "abstain"
    assert "no forecast of absent can be scored" in made.reason


def test_a_recipe_of_few_forecasts_does_not_shrink_the_comparison_of_all(scene):
    world, frames = scene
    with_it, without = (json.loads(ruled(world, part).statistics) for part in (frames, frames[:-1]))
    assert with_it["left_out"] == ["garch_t"]
    assert "garch_t" not in with_it["confidence_set"]
    for figure in ("superior_ability", "confidence_set"):
        assert with_it[figure] == without[figure]
    assert "Not compared there, for too few forecasts: garch_t." in ruled(world, frames).reason


def test_a_network_sits_out_where_a_column_has_never_varied(panel, planned):
    """Such a column can be learned from no row; a later refit may know one that varies."""
    third = sorted(planned.refits)[2].timestamp() * 1_000_000
    still = panel.decision_at_R < third
    values_RF, mask_RF = panel.values_RF.clone(), panel.mask_RF.clone()
    values_RF[still, 1], mask_RF[:, 1] = 7.0, True
    young = dataclasses.replace(panel, values_RF=values_RF, mask_RF=mask_RF)
    given = arguments(young, [Ewma(), tiny("f-1")], planned)
    said, table = walk_forward(**given), absences(**given)
    assert table["recipe"].unique().to_list() == ["tiny"]
    assert all("b never varied in the rows known at the refit of" in x for x in table["reason"])
    folds = {name: set(said.filter(recipe=name)["fold"]) for name in ("ewma", "tiny")}
    out = folds["ewma"] - folds["tiny"]
    assert folds["tiny"] and len(out) >= 3
    assert max(out) < min(folds["tiny"])
