"""Whether tonight's version of the champion recipe takes over from the one in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.defs.knowledge import Knowledge
from cbi_pipeline.defs.pipeline import Pipeline
from cbi_pipeline.registry import following, reign
from data_contracts.evaluation import DECISION, VERSION

if TYPE_CHECKING:
    from cbi_pipeline.evaluation import Refresh
    from cbi_pipeline.registry import RegisteredVersion


def succession(
    versions: list[RegisteredVersion],
    decisions: pl.DataFrame,
    known: Knowledge,
    pipeline: Pipeline,
) -> pl.DataFrame:
    """The decision on tonight's version of the champion recipe; empty when it is in use already."""
    from cbi_pipeline.evaluation import refreshed

    now = reign(decisions)
    tonight = next((one for one in versions if now and one.recipe == now.recipe), None)
    if now is None or tonight is None or tonight.version == now.version:
        return DECISION.empty()
    ruling = refreshed(
        compared(tonight.version, now.version, known, pipeline) if now.version else None,
        tonight.recipe,
        tonight.version,
        now.version,
        state=known.state,
        decided_at=pipeline.now(),
    )
    return following(decisions, ruling.frame())


def compared(new: int, standing: int, known: Knowledge, pipeline: Pipeline) -> Refresh | str:
    """Both versions on rows neither was trained on, or why the standing one cannot be asked."""
    from cbi_pipeline.defs.forecasting.models import newest_fold
    from cbi_pipeline.evaluation import judge_refresh
    from cbi_pipeline.registry import RegistryEmpty, RegistryUnreadable

    tonight = pipeline.registry.load(new)
    try:
        before = pipeline.registry.load(standing)
    except (RegistryEmpty, RegistryUnreadable) as error:
        return f"The standing one was not compared: {error}."
    if tonight.spec != before.spec:
        return "The standing one cannot read today's panel."
    return judge_refresh(tonight, before, known.panel, newest_fold(known).validation_rows)


def enthroned(
    versions: list[RegisteredVersion], ruling: pl.DataFrame, pipeline: Pipeline
) -> dict[str, int]:
    """Record versions and ruling together, then set the aliases that the decisions call for."""
    rows = pl.DataFrame([version.row() for version in versions], schema=VERSION.dtypes)
    pipeline.add({"registry.version": rows, "registry.decision": ruling})
    for row in ruling.iter_rows(named=True):
        pipeline.registry.record(row)
    with pipeline.warehouse.read() as store:
        return pipeline.registry.reconcile(
            store.table("registry.decision"),
            store.table("registry.version"),
            {version.recipe: version.version for version in versions},
        )
