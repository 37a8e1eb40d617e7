"""How the registry was changed past the record, reported by the assets that need a model."""

from __future__ import annotations

import dagster as dg

from cbi_pipeline.operations.aliases import undo_deviations
from cbi_pipeline.operations.pipeline import Pipeline


def log_deviations(context: dg.AssetExecutionContext, pipeline: Pipeline) -> dict[str, str]:
    """Undo what was changed past the record, in the run's log and as metadata of its asset.

    Where the two cannot be compared this says why; who then needs a model fails by itself.
    """
    from cbi_pipeline.registry import RegistryError

    try:
        words = [deviation.words for deviation in undo_deviations(pipeline)]
    except RegistryError as error:
        words = [str(error)]
    for line in words:
        context.log.error(line)
    return {"registry against the record": "; ".join(words)} if words else {}
