"""Where a run belongs that no page has launched, so that the timeline shows it like any other.

The timeline lists runs by the repository that their record names. A run in the asking process gets
a record without one; it is noted there as soon as the run has begun.
"""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

# As in workspace.yaml, which the pages load.
MODULE, LOCATION = "cbi_pipeline.definitions", "cbi_pipeline"
REPOSITORY = "__repository__"

# A killed run is ended by the next start; the pages' own retries would repeat it unasked.
TAGS = {".dagster/repository": f"{REPOSITORY}@{LOCATION}", "dagster/max_retries": "0"}


def note_origin(instance: dg.DagsterInstance, job: str) -> Callable[[dg.EventLogEntry], None]:
    """A listener to a run's events that notes which job of the workspace it is.

    Args:
        instance: holds the run.
        job: name of the job.
    """
    target = LoadableTargetOrigin(module_name=MODULE)
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, LOCATION)
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, REPOSITORY), job)

    def note(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None or event.event_type is not dg.DagsterEventType.RUN_START:
            return
        run = instance.get_run_by_id(entry.run_id)
        assert run is not None
        instance.run_storage.replace_job_origin(run, origin)

    return note
