"""One alert when something breaks, one when it is well again, however often it was met between.

A sensor watches three things: the fault log, whose lines say what opened and what closed, the
newest run of every job, and the newest result of every asset check that only warns. Each edge
becomes one run of the job ``alert``: a failed run when something broke, a successful one when it
healed, with the words in its log. Dagster starts one run per run key, so an edge looked at twice is
still one alert, and whatever a team has attached to failed runs is told once.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Self

import dagster as dg

from cbi_pipeline.defs.checks import evaluation, newest_evaluations, verdict, watched_checks
from cbi_pipeline.defs.executor import IN_PROCESS
from cbi_pipeline.ingest import FaultEvent, fault_log
from cbi_pipeline.operations.feed_entries import feed_entries
from cbi_pipeline.operations.pipeline import ZONE, Pipeline
from cbi_pipeline.runs.failures import cause_of
from cbi_pipeline.runs.processes import end_dead_runs
from cbi_pipeline.settings import load_settings

Kind = Literal["opened", "closed"]

#: Partitions that are no days are recipes.
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
# Runs of past days that may stand before the newest one.
LOOK_BACK = 25


@dataclass(frozen=True)
class Alert:
    """One edge.

    Attributes:
        key: names the edge; equal keys are one alert.
        subject: what the fault log names, a job, or an asset and its check.
        kind: whether it broke or healed.
        words: what happened and what to do.
    """

    key: str
    subject: str
    kind: Kind
    words: str

    def request(self) -> dg.RunRequest:
        """The run that raises it."""
        config = {"subject": self.subject, "kind": self.kind, "words": self.words}
        return dg.RunRequest(
            run_key=self.key,
            run_config={"ops": {"raise_alert": {"config": config}}},
            tags={"cbi/alert": self.kind, "cbi/subject": self.subject},
        )


class Edge(dg.Config):
    """What an alert says.

    Attributes:
        subject: what the fault log names, a job, or an asset and its check.
        kind: ``opened`` or ``closed``.
        words: what happened and what to do.
    """

    subject: str
    kind: str
    words: str


@dg.op(description="Says what broke by failing with its words, and what healed by succeeding.")
def raise_alert(context: dg.OpExecutionContext, config: Edge) -> None:
    """Raise or lift one alert.

    Raises:
        dagster.Failure: something broke; carries the words.
    """
    if config.kind == "opened":
        raise dg.Failure(config.words, allow_retries=False)
    context.log.info(config.words)


@dg.job(
    executor_def=IN_PROCESS,
    description="One run per alert: failed when something broke, successful when it healed.",
)
def alert() -> None:
    """Raise or lift one alert."""
    raise_alert()


@dg.definitions
def define_alerts() -> dg.Definitions:
    """The job and its sensor, which waits to be switched on where the clock stands still."""
    is_live = load_settings().has_services
    status = dg.DefaultSensorStatus.RUNNING if is_live else dg.DefaultSensorStatus.STOPPED
    return dg.Definitions(jobs=[alert], sensors=[alert_sensor(status)])


def alert_sensor(status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor ``alerts``."""
    return dg.sensor(
        name="alerts",
        job=alert,
        minimum_interval_seconds=60,
        default_status=status,
        description="Raises one alert when a feed, a commodity, a job or a check breaks, and one "
        "when it is well again.",
    )(find_edges)


def find_edges(
    context: dg.SensorEvaluationContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.SensorResult:
    """Every edge since the last look; a run whose process is gone has failed."""
    end_dead_runs(context.instance)
    events = fault_log(pipeline.settings).events()
    seen = Seen.read(context.cursor, events)
    edges = [
        *job_edges(context.instance, seen, pipeline),
        *check_edges(context, seen, pipeline),
    ]
    changes = [*feed_edges(events[seen.events :]), *edges]
    return dg.SensorResult(
        run_requests=[edge.request() for edge in changes], cursor=seen.after(events, edges)
    )


@dataclass(frozen=True)
class Seen:
    """How far the last look came.

    Attributes:
        events: lines of the fault log.
        broken: jobs and checks whose alert stands.
    """

    events: int
    broken: frozenset[str]

    @classmethod
    def read(cls, cursor: str | None, events: Sequence[FaultEvent]) -> Self:
        """From a cursor; the first look of all begins where the oldest open fault opened."""
        if cursor is not None:
            stored = json.loads(cursor)
            return cls(stored["events"], frozenset(stored["broken"]))
        opened: dict[str, int] = {}
        for number, event in enumerate(events):
            if event.kind == "opened":
                opened[event.feed] = number
            elif event.kind == "closed":
                opened.pop(event.feed, None)
        return cls(min(opened.values(), default=len(events)), frozenset())

    def after(self, events: Sequence[FaultEvent], edges: Sequence[Alert]) -> str:
        """The cursor once these events and edges of jobs and checks are told."""
        opened = {edge.subject for edge in edges if edge.kind == "opened"}
        closed = {edge.subject for edge in edges if edge.kind == "closed"}
        broken = sorted((self.broken | opened) - closed)
        return json.dumps({"events": len(events), "broken": broken})


def feed_edges(events: Sequence[FaultEvent]) -> Iterator[Alert]:
    """What opened and what closed in the fault log; a fault that merely changed is no news."""
    for event in events:
        if event.kind != "changed":
            words = " ".join(map(str, event.faults)) or f"{event.feed}: well again."
            key = f"{event.feed} {event.kind} {event.at.isoformat()}"
            yield Alert(key, event.feed, event.kind, words)


def job_edges(instance: dg.DagsterInstance, seen: Seen, pipeline: Pipeline) -> Iterator[Alert]:
    """Jobs whose newest finished run differs from what was told last."""
    for name in watched_jobs(pipeline):
        run = find_newest_run(instance, name, pipeline)
        if run is None:
            continue
        failed = run.status is dg.DagsterRunStatus.FAILURE
        if failed and name not in seen.broken:
            yield Alert(f"{name} opened {run.run_id}", name, "opened", cause(instance, run))
        elif run.status is dg.DagsterRunStatus.SUCCESS and name in seen.broken:
            yield Alert(f"{name} closed {run.run_id}", name, "closed", f"{name}: well again.")


def check_edges(
    context: dg.SensorEvaluationContext, seen: Seen, pipeline: Pipeline
) -> Iterator[Alert]:
    """Checks of the repository whose newest result differs from what was told last."""
    repository = context.repository_def
    for key in watched_checks(repository) if repository is not None else ():
        name = f"{key.asset_key.to_user_string()} {key.name}"
        entry = find_result(context.instance, key, pipeline)
        if entry is None:
            continue
        result = evaluation(entry)
        edge = f"{entry.run_id} {entry.timestamp}"
        if not result.passed and name not in seen.broken:
            words = f"{name}: {result.description or 'the check failed'}"
            yield Alert(f"{name} opened {edge}", name, "opened", words)
        elif result.passed and name in seen.broken:
            yield Alert(f"{name} closed {edge}", name, "closed", f"{name}: well again.")


def find_result(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, pipeline: Pipeline
) -> dg.EventLogEntry | None:
    """The newest result of a check that says whether it is well, past days aside."""
    for entry in newest_evaluations(instance, key, LOOK_BACK):
        record = instance.get_run_record_by_id(entry.run_id)
        if record is not None and is_past(record, pipeline):
            continue
        if verdict(evaluation(entry)) is not None:
            return entry
    return None


def watched_jobs(pipeline: Pipeline) -> tuple[str, ...]:
    """Jobs whose newest run is told."""
    feeds = (f"ingest_{feed.name}" for feed in feed_entries(pipeline.settings))
    return ("ingest_archive", *feeds, "evaluate", "decide", "nightly")


def find_newest_run(
    instance: dg.DagsterInstance, job: str, pipeline: Pipeline
) -> dg.DagsterRun | None:
    """The newest run of a job, past days aside; None while it is still going on."""
    for record in instance.get_run_records(dg.RunsFilter(job_name=job), limit=LOOK_BACK):
        run = record.dagster_run
        if not is_past(record, pipeline):
            return run if run.is_finished else None
    return None


def is_past(record: dg.RunRecord, pipeline: Pipeline) -> bool:
    """Whether a run is about a past day: those replay, and disturb no one."""
    key = record.dagster_run.tags.get("dagster/partition")
    if key is None or not _DAY.fullmatch(key):
        return False
    if not pipeline.settings.has_services:
        return key != pipeline.today().isoformat()
    # The night before may be made up for in the morning.
    day = record.create_timestamp.astimezone(ZONE).date()
    return key not in {day.isoformat(), (day - timedelta(days=1)).isoformat()}


def cause(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Why a run failed, by the words of the first step that did."""
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        return f"{run.job_name}: {entry.step_key}: {words(entry.get_dagster_event())}"
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
        ending = explain_ending(entry.get_dagster_event())
        if ending:
            return f"{run.job_name}: {ending}"
    return f"{run.job_name}: its run ended without finishing. Look at run {run.run_id}."


def explain_ending(event: dg.DagsterEvent) -> str:
    """Why a run ended in which no step failed: it could not begin, or its process is gone."""
    failure = event.job_failure_data
    error = failure.error if failure is not None else None
    return cause_of(error) if error is not None else (event.message or "")


def words(event: dg.DagsterEvent) -> str:
    """What a failed step said."""
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return str(failure.user_failure_data.description)
    return cause_of(failure.error)
