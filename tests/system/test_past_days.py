"""A past day asked for again: replayed, never trained, never aliased, never reported."""

import dagster as dg
import pytest

from cbi_pipeline import definitions
from cbi_pipeline.operations.pipeline import Pipeline
from tests.system.homes import Home, copied

defs = definitions.defs()
pytestmark = pytest.mark.slow


def test_a_past_day_changes_no_model_no_alias_and_no_report(undisturbed, tmp_path):
    home = Home(copied(undisturbed.path, tmp_path / ".cbi"))
    reports = sorted(home.settings.reports_dir.iterdir())
    result = defs.resolve_job_def("nightly").execute_in_process(
        partition_key="2019-06-10",
        resources={"pipeline": Pipeline(home.settings)},
        instance=dg.DagsterInstance.ephemeral(),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert result.success
    assert home.contents() == undisturbed.contents()
    assert sorted(home.settings.reports_dir.iterdir()) == reports
