"""``cbi run``: ingestion, a round that is due and the night through Dagster; what came of it."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from cbi_pipeline.commands.aliases import restore_aliases
from cbi_pipeline.commands.bars import draw_bars, show_work
from cbi_pipeline.commands.console import PlainConsole, Refusal, console, errors

if TYPE_CHECKING:
    from dagster import (
        DagsterEvent,
        DagsterInstance,
        Definitions,
        EventLogEntry,
        ExecuteInProcessResult,
    )
    from dagster_shared.error import SerializableErrorInfo

    from cbi_pipeline.operations.pipeline import Pipeline

ARCHIVE = "ingest_archive"
ROUND, LOOK, NIGHT = "evaluate", "decide", "nightly"

# Dagster keeps every event for its pages; the console shows stages, bars and what failed.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
IF_DUE = {"ops": {"evaluation__walk_forward": {"config": {"opening": "due"}}}}


def run() -> int:
    """Bring everything up to date: ingest, features, evidence, model, forecast, report."""
    from cbi_pipeline.commands.instance import prepare_instance
    from cbi_pipeline.commands.summary import print_summary
    from cbi_pipeline.feeds import archive
    from cbi_pipeline.ingest import require_live_home
    from cbi_pipeline.operations.change_detection import is_unchanged
    from cbi_pipeline.operations.pipeline import Pipeline
    from cbi_pipeline.operations.recipes import require_recipes

    pipeline = Pipeline.from_environment()
    pipeline.require_catalogue()
    live = pipeline.settings.has_services
    if live:
        require_live_home(pipeline.settings)
    pipeline.warehouse.check()
    if not live:
        # What is wrong with the record itself is said in one line, before any job begins.
        archive.read_record(pipeline.settings.archive_dir)
    _require_prices(pipeline)
    # Before anything: a copied home must not go on naming the one it was copied from.
    prepare_instance(pipeline.settings)
    is_as_recorded = _is_as_recorded(pipeline)
    # What a service has to say is not known before it is asked.
    if not live and is_as_recorded and is_unchanged(pipeline):
        why = ": records, configuration and code are unchanged.\n"
        console.print(Text.assemble(("nothing to do", "bold"), why))
        print_summary(pipeline)
        return 1 if _tell_faults(pipeline) else 0
    # A field that no recipe takes is said in one line too; who builds recipes takes long to load.
    require_recipes(pipeline)
    began = pipeline.now()
    with pipeline.warehouse.publish_at_end():
        done = _run_jobs(pipeline)
    faults = _tell_faults(pipeline)
    if not done:
        return 1
    print_summary(pipeline, began)
    return 1 if faults else 0


def _is_as_recorded(pipeline: Pipeline) -> bool:
    from cbi_pipeline.registry import RegistryError

    try:
        return restore_aliases(pipeline)
    except RegistryError as error:
        # What comes before the models goes on; the step that needs them says it again.
        errors.print(f"cbi: {error}")
        return False


def _require_prices(pipeline: Pipeline) -> None:
    from cbi_pipeline.operations import awaited_files, awaited_keys

    files = awaited_files(pipeline.catalogue, pipeline.settings)
    waiting = awaited_keys(pipeline.catalogue, pipeline.settings) | files
    if len(waiting) == len(pipeline.catalogue.commodities):
        why = "; ".join(dict.fromkeys(waiting.values()))
        raise Refusal(f"without prices there is nothing to forecast: {why}")


def _tell_faults(pipeline: Pipeline) -> int:
    """Say what is wrong with feeds, training and commodities; how much of it there is.

    A commodity that abstains or waits is none; a feed with old news makes some abstain.
    """
    from cbi_pipeline.issued import open_faults

    faults = open_faults(pipeline.settings)
    for fault in faults:
        errors.print(f"cbi: {fault}")
    return len(faults)


def _run_jobs(pipeline: Pipeline) -> bool:
    from cbi_pipeline.commands.instance import open_instance

    instance = open_instance(pipeline.settings)
    # Loaded after the instance is prepared: Dagster reads its folder when definitions load.
    from cbi_pipeline.definitions import defs

    definitions = defs()
    launches = plan_launches(pipeline, instance)
    with _own_output() as screen, draw_bars(screen) as bars, _watch_interrupt() as is_interrupted:
        results: list[ExecuteInProcessResult] = []
        for name, options in launches.items():
            if name == LOOK and not results[-1].success:
                continue  # there is no round to look at
            screen.print(name, style="bold")
            results.append(_execute(name, options, definitions, instance, screen, bars))
            if _is_interrupted(results[-1]) or (name != NIGHT and is_interrupted()):
                raise KeyboardInterrupt
            # A live feed that fails leaves the others and the night alone.
            if not results[-1].success and name == ARCHIVE:
                break
    # What stops the round's prices stops the night's as well.
    for words in dict.fromkeys(line for result in results for line in _failures(result)):
        errors.print(f"cbi: {words}")
    return all(result.success for result in results)


def plan_launches(pipeline: Pipeline, instance: DagsterInstance) -> dict[str, dict[str, Any]]:
    """The jobs in their order, each with what it is launched with; the day is that of the start."""
    from cbi_pipeline.operations.rounds import list_recipes
    from cbi_pipeline.runs.recipes import RECIPE, range_tags, renew_recipes

    renew_recipes(instance, list_recipes(pipeline))
    recipes = range_tags(instance.get_dynamic_partitions(RECIPE))
    return {
        **{name: {} for name in _sources(pipeline)},
        ROUND: {"run_config": QUIET | IF_DUE, "tags": recipes},
        LOOK: {},
        NIGHT: {"partition_key": pipeline.today().isoformat()},
    }


def _sources(pipeline: Pipeline) -> tuple[str, ...]:
    """Jobs that bring the profile's records."""
    from cbi_pipeline.ingest import profile_feeds

    if not pipeline.settings.has_services:
        return (ARCHIVE,)
    return tuple(f"ingest_{name}" for name in profile_feeds(pipeline.settings))


@contextmanager
def _watch_interrupt() -> Iterator[Callable[[], bool]]:
    """Tells whether Ctrl-C came: Dagster forgets one that comes as a job ends."""
    ours, theirs = socket.socketpair()
    heard = bytearray()

    def is_interrupted() -> bool:
        with suppress(BlockingIOError):
            heard.extend(ours.recv(4096))
        return signal.SIGINT in heard

    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield is_interrupted
        finally:
            signal.set_wakeup_fd(before)


def _execute(
    name: str,
    options: dict[str, Any],
    definitions: Definitions,
    instance: DagsterInstance,
    screen: Console,
    bars: Progress,
) -> ExecuteInProcessResult:
    from dagster._core.utils import make_new_run_id

    from cbi_pipeline.runs.origins import TAGS, note_origin
    from cbi_pipeline.runs.processes import process_tags

    job = definitions.resolve_job_def(name)
    run_id = make_new_run_id()
    instance.add_event_listener(run_id, _stages(screen))
    instance.add_event_listener(run_id, note_origin(instance, name))
    with show_work(bars, screen):
        return job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_id=run_id,
            run_config=options.get("run_config", QUIET),
            partition_key=options.get("partition_key"),
            tags={**TAGS, **process_tags(run_id), **options.get("tags", {})},
        )


def _stages(screen: Console) -> Callable[[EventLogEntry], None]:
    def tell(entry: EventLogEntry) -> None:
        event = entry.dagster_event
        if event is not None and event.event_type_value == "STEP_START" and event.step_key:
            screen.print(f"  {event.step_key.replace('__', '/')}")

    return tell


def _failures(result: ExecuteInProcessResult) -> Iterator[str]:
    from cbi_pipeline.runs.failures import cause_of

    for event in result.all_events:
        if event.is_step_failure:
            yield f"{event.step_key}: {cause_of(event.step_failure_data.error)}"


def _is_interrupted(result: ExecuteInProcessResult) -> bool:
    # Dagster turns Ctrl-C inside a step into a failure of that step.
    roots = (_root(event) for event in result.all_events if event.is_step_failure)
    return any(root and root.cls_name == "DagsterExecutionInterruptedError" for root in roots)


def _root(event: DagsterEvent) -> SerializableErrorInfo | None:
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error


@contextmanager
def _own_output() -> Iterator[Console]:
    """A console on the real output, while Dagster sends the process's own into its log files."""
    sys.stdout.flush()
    sys.stderr.flush()
    real, real_errors = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    with os.fdopen(os.dup(real), "w", buffering=1) as file:
        try:
            yield PlainConsole(file=file, width=console.width, force_terminal=console.is_terminal)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(real, 1)
            os.dup2(real_errors, 2)
            os.close(real)
            os.close(real_errors)
