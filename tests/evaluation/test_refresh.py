import dataclasses

import numpy as np
import pytest
import torch

from cbi_pipeline.evaluation import judge_refresh
from cbi_pipeline.evaluation.refresh import measure_distance
from tests.evaluation import panels
from tests.evaluation.models import Model

ROWS = np.arange(400, 1000)
NEWEST = np.arange(1000, 1004)


@pytest.fixture(scope="module")
def panel():
    return panels.panel()


def test_the_same_model_again_is_accepted(panel):
    found = judge_refresh(Model(1.0), Model(1.0), panel, ROWS)
    assert found.accepted
    assert found.tonight.increase == found.tonight.at_most == 0.0


def test_a_model_that_hardly_differs_is_accepted(panel):
    found = judge_refresh(Model(1.01), Model(1.0), panel, ROWS)
    assert found.accepted
    assert found.reason.startswith("Accepted")


def test_a_model_gone_wrong_is_refused_in_words(panel):
    found = judge_refresh(Model(2.5), Model(1.0), panel, ROWS)
    assert not found.accepted
    assert found.tonight.increase > 0.02
    assert "Refused: CRPS +" in found.reason


def test_intervals_that_stopped_covering_are_refused_although_the_promoted_ones_cover(panel):
    found = judge_refresh(Model(0.75), Model(1.0), panel, ROWS)
    assert found.tonight.coverage < 0.75 < found.tonight.promoted_coverage
    assert not found.accepted


def test_a_model_that_mends_bad_coverage_is_accepted(panel):
    assert judge_refresh(Model(1.0), Model(0.5), panel, ROWS).accepted


def test_noise_without_direction_is_judged_by_how_much_worse_it_could_be(panel):
    found = judge_refresh(Model(1.0, noise=0.6), Model(1.0), panel, ROWS)
    assert found.tonight.at_most > found.tonight.increase
    assert not found.accepted


def test_too_few_weeks_to_tell_are_no_acceptance(panel):
    found = judge_refresh(Model(1.05), Model(1.0), panel, np.arange(400, 420))
    assert found.tonight.at_most is None
    assert not found.accepted
    assert "too few weeks to tell" in found.reason


def test_rows_without_a_known_target_are_refused(panel):
    blind = dataclasses.replace(panel, target_mask_RH=torch.zeros_like(panel.target_mask_RH))
    with pytest.raises(ValueError, match="known target"):
        judge_refresh(Model(1.0), Model(1.0), blind, ROWS)


def test_a_cell_that_stopped_covering_is_refused_although_all_cells_together_cover(panel):
    found = judge_refresh(Uneven(0.65, 1.6), Model(1.0), panel, ROWS)
    assert abs(found.tonight.coverage - 0.8) < 0.05
    assert not found.accepted
    assert "They are off on daily 1m, " in found.reason


def test_what_was_issued_since_the_promotion_and_lost_is_held_against_an_honest_fit(panel):
    used = [(Model(1.0), np.arange(400, 500)), (Model(0.4), np.arange(500, 1000))]
    found = judge_refresh(Model(1.0), Model(1.0), panel, ROWS, used)
    assert found.has_lost
    assert not found.accepted
    assert found.issued.increase > 0.02
    assert "What was issued since the promotion: CRPS +" in found.reason


def test_what_was_issued_and_did_not_lose_speaks_for_tonights_fit(panel):
    used = [(Model(1.0), np.arange(400, 500)), (Model(1.02), np.arange(500, 1000))]
    found = judge_refresh(Model(1.01), Model(1.0), panel, ROWS, used)
    assert found.accepted
    assert not found.has_lost
    assert found.reason.endswith("within the margin or chance.")


def test_a_few_weeks_of_what_was_issued_say_nothing(panel):
    found = judge_refresh(Model(1.0), Model(1.0), panel, ROWS, [(Model(0.4), np.arange(960, 1000))])
    assert found.issued is None
    assert found.accepted


@pytest.mark.parametrize("stretch", [0.6, 1.6])
def test_newest_forecasts_far_from_the_promoted_version_need_rows_held_out_that_bear_them_out(
    panel, stretch
):
    """A fit that has seen the rows held out says there what the promoted version says."""
    hidden = Hidden(stretch)
    assert judge_refresh(hidden, Model(1.0), panel, ROWS).accepted
    found = judge_refresh(hidden, Model(1.0), panel, ROWS, newest=NEWEST)
    assert not found.accepted
    assert "which rows held out do not show" in found.reason
    assert found.apart.cost > 0.02


def test_newest_forecasts_near_the_promoted_versions_need_no_more(panel):
    found = judge_refresh(Model(1.05), Model(1.05 * 1.02), panel, ROWS, newest=NEWEST)
    assert 0.0 < found.apart.cost < 0.001
    assert found.accepted


def test_a_model_that_mends_a_bad_one_is_borne_out_by_rows_held_out(panel):
    found = judge_refresh(Model(1.0), Model(0.5), panel, ROWS, newest=NEWEST)
    assert found.apart.cost > 0.02
    assert found.accepted


def test_the_distance_is_that_of_normal_distributions_in_closed_form(panel):
    found = measure_distance(Model(1.4), Model(1.0), panel, NEWEST)
    across = np.sqrt(2.0 / np.pi) * np.sqrt(1.0 + 1.4**2)
    apart = across - 1.4 / np.sqrt(np.pi) - 1.0 / np.sqrt(np.pi)
    assert found.cost == pytest.approx(apart * np.sqrt(np.pi), rel=0.1)
    assert found.gain == pytest.approx(apart / (across - 1.0 / np.sqrt(np.pi)), rel=0.1)


@dataclasses.dataclass
class Hidden(Model):
    """As the promoted model on the rows held out, and of another scale on the newest."""

    def predict(self, panel, rows):
        return Model(self.stretch if rows.min() >= NEWEST.min() else 1.0).predict(panel, rows)


@dataclasses.dataclass
class Uneven(Model):
    """Too narrow at the first horizon, too wide at the second."""

    second: float = 1.0

    def __init__(self, first, second):
        super().__init__(first)
        self.second = second

    def predict(self, panel, rows):
        first, second = super().predict(panel, rows), Model(self.second).predict(panel, rows)
        first.q_NHQ[:, 1] = second.q_NHQ[:, 1]
        return first
