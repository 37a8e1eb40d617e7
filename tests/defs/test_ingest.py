"""The archive asset on real archives: sound, damaged and edited ones."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from cbi_pipeline.defs.ingest.assets import archive_records
from cbi_pipeline.feeds import archive
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import Settings
from tests.defs.trees import footprint
from tests.ingest.archive_copy import small_archive
from tests.records import rewrite

WTI = "eia-wti-daily.csv.gz"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def pipeline(tmp_path):
    folder = small_archive(tmp_path / "archive")
    return Pipeline(Settings(home=tmp_path / ".cbi", archive_dir=folder))


def ingest(pipeline: Pipeline) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [archive_records],
        resources={"pipeline": pipeline},
        run_config=QUIET,
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def cause(result: dg.ExecuteInProcessResult) -> str:
    (event,) = (event for event in result.all_events if event.is_step_failure)
    error = event.step_failure_data.error
    while error.cause is not None:
        error = error.cause
    return error.message


def shown(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    (event,) = (
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(["raw", "archive"])
    )
    return {name: entry.value for name, entry in event.materialization.metadata.items()}


@pytest.mark.slow
def test_the_shipped_archive_passes_every_check_and_shows_its_counts(tmp_path):
    result = ingest(Pipeline(Settings(home=tmp_path / ".cbi", archive_dir=archive.PACKAGED)))
    assert result.success
    assert all(check.passed for check in checks(result).values())
    told = shown(result)
    assert told["rows in"] == told["accepted"] == 82_463
    assert told["quarantined"] == 0
    assert "2020-02-10" in told["newest observation"]


def test_the_same_archive_again_writes_nothing(pipeline):
    first, second = ingest(pipeline), ingest(pipeline)
    assert shown(first)["written"] is True
    assert shown(second)["written"] is False
    assert shown(second)["state"] == shown(first)["state"]


def test_a_missing_file_is_named_and_nothing_is_written(pipeline):
    (pipeline.settings.archive_dir / WTI).unlink()
    result = ingest(pipeline)
    assert not result.success
    assert WTI in cause(result)
    assert footprint(pipeline.settings.home) == {}


def test_a_flipped_byte_is_named_and_nothing_is_written(pipeline):
    path = pipeline.settings.archive_dir / WTI
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    result = ingest(pipeline)
    assert not result.success
    assert WTI in cause(result)
    assert footprint(pipeline.settings.home) == {}


def test_a_bad_row_warns_and_the_rest_goes_through(pipeline):
    rewrite(
        pipeline.settings.archive_dir / WTI,
        lambda lines: [*lines[:-1], lines[-1].rsplit(",", 1)[0] + ",oops\n"],
    )
    archive.seal(pipeline.settings.archive_dir)
    result = ingest(pipeline)
    assert result.success
    rows = checks(result)["row_rules"]
    assert not rows.passed
    assert rows.severity is dg.AssetCheckSeverity.WARN
    assert shown(result)["quarantined"] == 1
    assert shown(result)["accepted"] == shown(result)["rows in"] - 1


def test_too_many_bad_rows_block_and_nothing_is_committed(pipeline):
    def spoil(lines: list[str]) -> list[str]:
        return [lines[0], *(line.rsplit(",", 1)[0] + ",oops\n" for line in lines[1:])]

    rewrite(pipeline.settings.archive_dir / WTI, spoil)
    archive.seal(pipeline.settings.archive_dir)
    result = ingest(pipeline)
    assert not result.success
    assert not checks(result)["quarantined_share"].passed
    assert "EIA.RWTC" in cause(result)
    assert not pipeline.warehouse.published.exists()


def test_a_home_with_live_answers_never_takes_the_archive(pipeline):
    pipeline.ledger.land(
        feed="eia",
        url="https://api.eia.gov/v2/petroleum",
        body=b"{}",
        fetched_at=datetime(2026, 1, 5, tzinfo=UTC),
        status=200,
        headers={},
        secrets=(),
    )
    result = ingest(pipeline)
    assert not result.success
    assert "set CBI_HOME to another folder" in cause(result)
    assert not pipeline.settings.warehouse_dir.exists()
