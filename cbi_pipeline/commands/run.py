"""``cbi run``: both jobs through Dagster, then what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cbi_pipeline.commands.console import Refusal, console, errors
from cbi_pipeline.settings import load_settings

if TYPE_CHECKING:
    from dagster import DagsterEvent, ExecuteInProcessResult

    from cbi_pipeline.defs.pipeline import Pipeline

JOBS = ("ingest_archive", "nightly")


def run() -> int:
    """Bring everything up to date: ingest, features, evidence, model, forecast, report."""
    if load_settings().profile == "live":
        raise Refusal(
            "`cbi run` runs the embedded archive; with CBI_PROFILE=live the schedules do the work: "
            "start `cbi ui` and turn them on"
        )
    from cbi_pipeline.commands.summary import print_summary
    from cbi_pipeline.defs.pipeline import Pipeline
    from cbi_pipeline.defs.standing import nothing_to_do

    pipeline = Pipeline.from_environment()
    if nothing_to_do(pipeline):
        console.print("[bold]nothing to do[/]: records, configuration and models are unchanged.\n")
        print_summary(pipeline)
        return 0
    with _progress() as bars:
        for name in JOBS:
            _execute(name, pipeline, bars)
    print_summary(pipeline)
    return 0


def _execute(name: str, pipeline: Pipeline, bars: Progress) -> None:
    from cbi_pipeline.commands.instance import open_instance

    instance = open_instance(pipeline.settings)
    # Loaded after the instance is prepared: Dagster reads its folder when definitions load.
    from cbi_pipeline.definitions import defs
    from cbi_pipeline.defs.progress import watched_by

    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    job = defs.resolve_job_def(name)
    key = pipeline.today().isoformat() if job.partitions_def else None
    console.print(f"[bold]{name}[/]")
    with watched_by(_bars(bars)):
        result = job.execute_in_process(instance=instance, partition_key=key, raise_on_error=False)
    if not result.success:
        _report_failure(name, result)


def _report_failure(name: str, result: ExecuteInProcessResult) -> None:
    failures = [event for event in result.all_events if event.is_step_failure]
    for event in failures:
        errors.print(f"{event.step_key}: {_cause(event)}", markup=False)
    raise SystemExit(1)


def _cause(event: DagsterEvent) -> str:
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else "failed without an error"


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (
        TextColumn("  {task.description:<28}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bars:
        yield bars


def _bars(
    bars: Progress,
) -> Callable[[str, int], AbstractContextManager[Callable[[str], None]]]:
    @contextmanager
    def watch(title: str, steps: int) -> Iterator[Callable[[str], None]]:
        task = bars.add_task(title, total=steps, note="")
        yield lambda note: bars.update(task, advance=1, note=note)

    return watch
