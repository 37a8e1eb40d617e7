"""An alert per edge: once when it breaks, once when it heals, never between."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from cbi_pipeline import definitions
from cbi_pipeline.defs.alerts import alert, alert_sensor
from cbi_pipeline.defs.checks import not_asked
from cbi_pipeline.ingest import Fault, fault_log
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.runs.processes import PROCESS_TAG
from cbi_pipeline.settings import Settings

REPOSITORY = definitions.defs().get_repository_def()
SENSOR = alert_sensor(dg.DefaultSensorStatus.STOPPED)
NIGHT = datetime(2026, 3, 2, 3, tzinfo=UTC)
DEAD = Fault("eia", "*", "FeedUnavailable", "api.eia.gov answers 503", "The next run asks again")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Desk:
    instance: dg.DagsterInstance
    pipeline: Pipeline
    cursor: str | None = None
    told: list[dg.RunRequest] = field(default_factory=list)

    def look(self) -> list[tuple[str, str]]:
        context = dg.build_sensor_context(
            self.instance,
            self.cursor,
            resources={"pipeline": self.pipeline},
            repository_def=REPOSITORY,
        )
        tick = SENSOR.evaluate_tick(context)
        self.cursor = tick.cursor
        self.told += tick.run_requests
        return [(one.tags["cbi/subject"], one.tags["cbi/alert"]) for one in tick.run_requests]

    def settle(self, *faults: Fault, after: int) -> None:
        fault_log(self.pipeline.settings).settle("eia", faults, NIGHT + timedelta(days=after))

    def run(self, name: str, *, fails: bool, **tags: str) -> None:
        @dg.op
        def step() -> None:
            if fails:
                raise dg.Failure("prices were not written", allow_retries=False)

        @dg.job(name=name)
        def job() -> None:
            step()

        job.execute_in_process(
            run_config=QUIET, instance=self.instance, tags=tags, raise_on_error=False
        )

    def check(self, *, passed: bool, name="calibration", asset="evaluation/walk_forward", **told):
        told.setdefault("severity", dg.AssetCheckSeverity.WARN)
        self.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                dg.AssetKey(asset.split("/")), name, passed=passed, metadata={}, **told
            )
        )


@pytest.fixture
def desk(tmp_path):
    settings = Settings(home=tmp_path / ".cbi", profile="live")
    with dg.DagsterInstance.ephemeral() as instance:
        yield Desk(instance, Pipeline(settings))


def test_a_dead_feed_is_one_alert_and_its_recovery_one_more(desk):
    assert desk.look() == []
    seen = []
    for night, faults in enumerate([[DEAD], [DEAD], [DEAD, DEAD], [], []]):
        desk.settle(*faults, after=night)
        seen += [*desk.look(), *desk.look()]
    assert seen == [("eia", "opened"), ("eia", "closed")]
    assert len({one.run_key for one in desk.told}) == 2


def test_a_job_that_keeps_failing_is_one_alert_and_its_success_one_more(desk):
    seen = []
    for fails in (False, True, True, False, False):
        desk.run("nightly", fails=fails)
        seen += [*desk.look(), *desk.look()]
    assert seen == [("nightly", "opened"), ("nightly", "closed")]
    (opened, _) = desk.told
    words = opened.run_config["ops"]["raise_alert"]["config"]["words"]
    assert words == "nightly: step: prices were not written"


def test_a_replayed_past_day_that_fails_disturbs_no_one(desk):
    desk.run("nightly", fails=True, **{"dagster/partition": "2020-01-06"})
    assert desk.look() == []


def test_the_first_look_tells_what_is_open_and_leaves_the_past_alone(desk):
    desk.settle(DEAD, after=0)
    desk.settle(after=1)
    desk.settle(DEAD, after=2)
    assert desk.look() == [("eia", "opened")]
    assert desk.told[0].run_key == f"eia opened {(NIGHT + timedelta(days=2)).isoformat()}"


def test_an_opened_alert_is_a_failed_run_with_the_words_and_a_closed_one_succeeds(desk):
    desk.settle(DEAD, after=0)
    desk.look()
    desk.settle(after=1)
    desk.look()
    opened, closed = (
        alert.execute_in_process(
            run_config={**one.run_config, **QUIET}, instance=desk.instance, raise_on_error=False
        )
        for one in desk.told
    )
    assert not opened.success
    (failure,) = (event for event in opened.all_events if event.is_step_failure)
    assert "api.eia.gov answers 503. The next run asks again" in str(failure.step_failure_data)
    assert closed.success


def test_a_check_that_keeps_failing_is_one_alert_and_its_recovery_one_more(desk):
    seen = []
    for passed in (True, False, False, False, True, True, False):
        desk.check(passed=passed, description="outside for wti")
        seen += [*desk.look(), *desk.look()]
    name = "evaluation/walk_forward calibration"
    assert seen == [(name, "opened"), (name, "closed"), (name, "opened")]
    words = desk.told[0].run_config["ops"]["raise_alert"]["config"]["words"]
    assert words == f"{name}: outside for wti"
    assert len({one.run_key for one in desk.told}) == 3


@pytest.mark.parametrize(
    ("asset", "name"),
    [
        ("raw/eia", "row_rules"),
        ("raw/archive", "row_rules"),
        ("evaluation/walk_forward", "calibration"),
        ("issued/score", "live_coverage"),
    ],
)
def test_every_check_that_warns_is_told(desk, asset, name):
    desk.check(passed=False, asset=asset, name=name)
    assert desk.look() == [(f"{asset} {name}", "opened")]


@pytest.mark.parametrize(
    ("asset", "name"),
    [("raw/eia", "fresh"), ("raw/eia", "answered"), ("market/session", "coverage")],
)
def test_what_the_fault_log_tells_is_not_told_twice(desk, asset, name):
    desk.check(passed=False, asset=asset, name=name)
    assert desk.look() == []


def test_a_check_that_stopped_its_run_is_told_by_the_run(desk):
    desk.check(passed=False, asset="raw/archive", name="key", severity=dg.AssetCheckSeverity.ERROR)
    assert desk.look() == []


def test_a_check_that_was_not_asked_neither_opens_nor_closes_an_alert(desk):
    def unasked():
        result = not_asked("row_rules", dg.AssetKey(["raw", "eia"]), "EIA_API_KEY is not set")
        assert not result.passed
        desk.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                result.asset_key,
                result.check_name,
                passed=result.passed,
                severity=result.severity,
                metadata=result.metadata,
            )
        )

    unasked()
    assert desk.look() == []
    desk.check(passed=False, asset="raw/eia", name="row_rules")
    assert len(desk.look()) == 1
    unasked()
    assert desk.look() == []


def test_a_check_of_a_replayed_past_day_disturbs_no_one(desk):
    key = dg.AssetKey(["evaluation", "walk_forward"])

    @dg.asset(key=key, check_specs=[dg.AssetCheckSpec("calibration", asset=key)])
    def walk_forward():
        yield dg.AssetCheckResult(
            check_name="calibration", passed=False, severity=dg.AssetCheckSeverity.WARN
        )
        yield dg.MaterializeResult()

    past = {"dagster/partition": "2020-01-06"}
    dg.materialize([walk_forward], instance=desk.instance, run_config=QUIET, tags=past)
    assert desk.look() == []
    dg.materialize([walk_forward], instance=desk.instance, run_config=QUIET)
    assert len(desk.look()) == 1


def test_a_run_whose_process_is_gone_is_told_with_true_words(desk):
    @dg.job(name="nightly")
    def job():
        """Does nothing."""

    run = desk.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    desk.instance.add_run_tags(run.run_id, {PROCESS_TAG: f"{run.run_id} 999999999 boot 1"})
    assert desk.look() == [("nightly", "opened")]
    words = desk.told[0].run_config["ops"]["raise_alert"]["config"]["words"]
    assert "its process, 999999999, ended without finishing the run" in words
