"""Evidence: walk-forward forecasts, their scores, and the gate that promotes by proof alone."""

from cbi_pipeline.evaluation.calibration import (
    POOLED_80,
    calibrate,
    coverage_bands,
    fit_calibration,
)
from cbi_pipeline.evaluation.cost import estimate_cost
from cbi_pipeline.evaluation.decisions import (
    decide_by_person,
    decide_founder,
    decide_refresh,
    decision,
)
from cbi_pipeline.evaluation.estimators import estimator_of, load_estimator
from cbi_pipeline.evaluation.gate import decide
from cbi_pipeline.evaluation.losses import NEEDED_LEVELS, is_apart, losses, share_levels
from cbi_pipeline.evaluation.model_code import hash_model_code, hash_scoring_code, is_reproduced
from cbi_pipeline.evaluation.models.rolling import Rolling
from cbi_pipeline.evaluation.plan import (
    EMBARGO_DAYS,
    VALIDATION_SHARE,
    Plan,
    evaluation_id,
    plan,
    select_development,
)
from cbi_pipeline.evaluation.refresh import Refresh, judge_refresh
from cbi_pipeline.evaluation.scores import score
from cbi_pipeline.evaluation.sitting_out import absences, failures
from cbi_pipeline.evaluation.spending import Entrant
from cbi_pipeline.evaluation.walk_forward import walk_forward

__all__ = [
    "EMBARGO_DAYS",
    "NEEDED_LEVELS",
    "POOLED_80",
    "VALIDATION_SHARE",
    "Entrant",
    "Plan",
    "Refresh",
    "Rolling",
    "absences",
    "calibrate",
    "coverage_bands",
    "decide",
    "decide_by_person",
    "decide_founder",
    "decide_refresh",
    "decision",
    "estimate_cost",
    "estimator_of",
    "evaluation_id",
    "failures",
    "fit_calibration",
    "hash_model_code",
    "hash_scoring_code",
    "is_apart",
    "is_reproduced",
    "judge_refresh",
    "load_estimator",
    "losses",
    "plan",
    "score",
    "select_development",
    "share_levels",
    "walk_forward",
]
