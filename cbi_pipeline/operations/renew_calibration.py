"""Keep the calibration of the version in use at what is public, whatever its weights are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.operations.calibrate import fit_recipe_calibration
from cbi_pipeline.operations.faults import failure, note_fault
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.train import register_model
from cbi_pipeline.operations.training_data import TrainingData, narrow
from cbi_pipeline.registry import current_champion, following
from data_contracts.evaluation import DECISION

if TYPE_CHECKING:
    from cbi_pipeline.forecasting import Calibration
    from cbi_pipeline.registry import RegisteredVersion

#: In the fault log: the version in use keeps a calibration that newer outcomes would change.
SUBJECT = "calibration of the version in use"


class MadeForOthers(ValueError):
    """A version's axes are none of today's, so that it cannot be registered again."""


def renew_calibration(
    decisions: pl.DataFrame, data: TrainingData, pipeline: Pipeline
) -> tuple[RegisteredVersion | None, pl.DataFrame]:
    """Register the version in use anew where outcomes that share no news have come since.

    Where that fails the version goes on with the calibration that it has, and the fault is told.

    Args:
        decisions: all of them, those of tonight too.
        data: what is known now.
        pipeline: the home.

    Returns:
        The new version and the decision that takes it into use; None and no row where it has
        learned of all outcomes already.
    """
    champion = current_champion(decisions)
    if champion is None or champion.version is None:
        return None, DECISION.empty()
    try:
        renewed = _register_anew(champion.version, decisions, data, pipeline)
    except Exception as error:
        words = f"version {champion.version} could not be calibrated anew: {failure(error)}"
        note_fault(pipeline, SUBJECT, words)
        return None, DECISION.empty()
    note_fault(pipeline, SUBJECT, None)
    if renewed is None:
        return None, DECISION.empty()
    return renewed, _take_into_use(renewed, champion.version, decisions, data, pipeline)


def _register_anew(
    number: int, decisions: pl.DataFrame, data: TrainingData, pipeline: Pipeline
) -> RegisteredVersion | None:
    """The same weights with today's calibration.

    None where no outcome was added, or where the version was made for other commodities, horizons
    or columns than today's and brings a calibration of its own.

    Raises:
        MadeForOthers: it was made for others and brings none, as earlier releases registered it.
    """
    from cbi_pipeline.forecasting import Fitted

    registry = pipeline.registry
    version, before = registry.get(number), registry.load_calibration(number)
    now = fit_recipe_calibration(version.recipe, data, pipeline)
    if not has_news(before, now):
        return None
    model = registry.load(number)
    own = narrow(data, model.spec.feature_set, pipeline)
    if model.spec != own.panel.spec:
        if before.moves:
            return None
        raise MadeForOthers(
            "it has none, and was made for other commodities, horizons or columns than the "
            "catalogue has now; the next version that takes its place brings one"
        )
    return register_model(
        model.recipe,
        Fitted(model),
        own,
        decisions,
        pipeline,
        calibration=now,
        weights_of=version,
    )


def has_news(before: Calibration, now: Calibration) -> bool:
    """Whether one rests on outcomes that share no news with those of the other."""
    earlier = before.count_independent()
    counts = now.count_independent()
    return any(count != earlier.get(cell, 0) for cell, count in counts.items())


def _take_into_use(
    renewed: RegisteredVersion,
    number: int,
    decisions: pl.DataFrame,
    data: TrainingData,
    pipeline: Pipeline,
) -> pl.DataFrame:
    from cbi_pipeline.evaluation import decision

    reason = (
        f"Version {renewed.version} is version {number} with the calibration that outcomes public "
        f"by {data.as_of:%Y-%m-%d} call for."
    )
    row = decision(
        f"calibration of {number} on {data.state}",
        renewed.recipe,
        renewed.recipe,
        "refresh",
        reason,
        decided_at=pipeline.now(),
        who="refresh",
        version=renewed.version,
    )
    return following(decisions, row.frame(data.as_of))
