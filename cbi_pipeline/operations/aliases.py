"""Champion and challenger stay what the decisions say, whatever MLflow's page was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cbi_pipeline.ingest import Fault, fault_log
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.warehouse import NothingPublished

if TYPE_CHECKING:
    import polars as pl

    from cbi_pipeline.registry import Deviation, RegisteredVersion

#: In the fault log: the registry was changed past the record.
SUBJECT = "registry aliases"


def find_deviations(pipeline: Pipeline) -> list[Deviation]:
    """How champion and challenger differ from what the decisions say; changes nothing.

    Raises:
        RegistryError: the registry and the record cannot be compared.
    """
    record = _record(pipeline)
    return pipeline.registry.deviations(*record) if record else []


def undo_deviations(pipeline: Pipeline) -> list[Deviation]:
    """Make champion and challenger what the decisions say, where they were changed past them.

    What was found is a fault, alerted once. One that is put back is closed at once, any other by
    the next look that does not find it.

    Raises:
        RegistryError: the registry and the record cannot be compared.
    """
    deviations = find_deviations(pipeline)
    for deviation in deviations:
        if deviation.undo is not None:
            deviation.undo()
    remedy = "Decide on the champion with `cbi models promote` or `cbi models rollback`"
    # A home that cannot tell of anything yet is left as it is.
    if pipeline.settings.ledger_dir.is_dir():
        for remaining in (
            deviations,
            [deviation for deviation in deviations if deviation.undo is None],
        ):
            faults = [
                Fault(SUBJECT, "*", "Deviation", deviation.words, remedy) for deviation in remaining
            ]
            fault_log(pipeline.settings).settle(SUBJECT, faults, pipeline.now())
    return deviations


def find_champion(pipeline: Pipeline) -> RegisteredVersion:
    """The version that the record says is champion, wherever the alias points.

    Raises:
        RegistryEmpty: there is none, or it was deleted from the registry.
        RegistryMismatch: the champion has no recorded version.
    """
    from cbi_pipeline.registry import CHAMPION, derive

    record = _record(pipeline)
    number = derive(*record).get(CHAMPION) if record else None
    return pipeline.registry.champion() if number is None else pipeline.registry.get(number)


def _record(pipeline: Pipeline) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    # Looking must not make a home where there is none.
    if not pipeline.settings.warehouse_dir.is_dir():
        return None
    try:
        # The champion is the one that was decided on, also while the run that did so goes on.
        with pipeline.warehouse.read_committed() as store:
            return store.table("registry.decision"), store.table("registry.version")
    except NothingPublished:
        return None
