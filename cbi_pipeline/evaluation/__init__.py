"""Evidence: walk-forward forecasts, their scores, and the gate that promotes by proof alone."""

from cbi_pipeline.evaluation.baselines import (
    BASELINES,
    Climatology,
    Contender,
    Ewma,
    Learned,
    baselines,
    prior,
)
from cbi_pipeline.evaluation.gate import Decision, decide, decision, first, tried_before
from cbi_pipeline.evaluation.losses import losses
from cbi_pipeline.evaluation.plan import Plan, evaluation_id, plan
from cbi_pipeline.evaluation.scores import METRICS, score
from cbi_pipeline.evaluation.walk_forward import (
    FoldDone,
    as_contender,
    fold_forecaster,
    walk_forward,
)

__all__ = [
    "BASELINES",
    "METRICS",
    "Climatology",
    "Contender",
    "Decision",
    "Ewma",
    "FoldDone",
    "Learned",
    "Plan",
    "as_contender",
    "baselines",
    "decide",
    "decision",
    "evaluation_id",
    "first",
    "fold_forecaster",
    "losses",
    "plan",
    "prior",
    "score",
    "tried_before",
    "walk_forward",
]
