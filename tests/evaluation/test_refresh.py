import dataclasses

import numpy as np
import pytest
import torch

from cbi_pipeline.evaluation import judge_refresh
from tests.evaluation import panels
from tests.evaluation.models import Model

ROWS = np.arange(400, 1000)


@pytest.fixture(scope="module")
def panel():
    return panels.panel()


def test_the_same_model_again_is_accepted(panel):
    found = judge_refresh(Model(1.0), Model(1.0), panel, ROWS)
    assert found.accepted
    assert found.increase == found.at_most == 0.0


def test_a_model_that_hardly_differs_is_accepted(panel):
    found = judge_refresh(Model(1.01), Model(1.0), panel, ROWS)
    assert found.accepted
    assert found.reason.startswith("Accepted")


def test_a_model_gone_wrong_is_refused_in_words(panel):
    found = judge_refresh(Model(2.5), Model(1.0), panel, ROWS)
    assert not found.accepted
    assert found.increase > 0.02
    assert "Refused: CRPS +" in found.reason


def test_intervals_that_stopped_covering_are_refused_although_the_standing_ones_covered(panel):
    found = judge_refresh(Model(0.75), Model(1.0), panel, ROWS)
    assert found.coverage < 0.75 < found.current_coverage
    assert not found.accepted


def test_a_model_that_mends_bad_coverage_is_accepted(panel):
    assert judge_refresh(Model(1.0), Model(0.5), panel, ROWS).accepted


def test_noise_without_direction_is_judged_by_how_much_worse_it_could_be(panel):
    found = judge_refresh(Model(1.0, noise=0.6), Model(1.0), panel, ROWS)
    assert found.at_most > found.increase
    assert not found.accepted


def test_too_few_weeks_to_tell_are_no_acceptance(panel):
    found = judge_refresh(Model(1.05), Model(1.0), panel, np.arange(400, 420))
    assert found.at_most == np.inf
    assert not found.accepted


def test_rows_without_a_known_target_are_refused(panel):
    blind = dataclasses.replace(panel, target_mask_RH=torch.zeros_like(panel.target_mask_RH))
    with pytest.raises(ValueError, match="known target"):
        judge_refresh(Model(1.0), Model(1.0), blind, ROWS)
