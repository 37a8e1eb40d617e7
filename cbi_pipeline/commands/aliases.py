"""What every command that shows or uses the champion does first: hold it to the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cbi_pipeline.commands.console import errors

if TYPE_CHECKING:
    from cbi_pipeline.operations.pipeline import Pipeline


def restore_aliases(pipeline: Pipeline) -> bool:
    """Undo what MLflow's page changed past the record of decisions, and say so on stderr.

    Returns:
        False when something is not as the record has it and could not be undone here.

    Raises:
        RegistryError: the registry and the record cannot be compared.
    """
    from cbi_pipeline.operations.aliases import undo_deviations

    deviations = undo_deviations(pipeline)
    for deviation in deviations:
        errors.print(f"cbi: {deviation.words}.")
    return all(deviation.undo is not None for deviation in deviations)
