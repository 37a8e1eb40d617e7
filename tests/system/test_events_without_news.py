"""What a night without news adds to a home: events in Dagster's database, and no plot."""

import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from cbi_pipeline import definitions
from cbi_pipeline.operations.pipeline import Pipeline
from tests.system.homes import Home, copied

pytestmark = pytest.mark.slow

#: Of the home of two commodities that is used here; one plot alone would be 70 kB to 250 kB.
EVENTS_BYTES, EVENT_BYTES, FILES_BYTES = 100_000, 5_000, 400_000
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def plots(home: Home) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in home.settings.plots_dir.rglob("*.png")}


def database_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.db"))


def event_sizes(folder: Path, run_id: str) -> list[int]:
    with closing(sqlite3.connect(folder / "history" / "runs" / f"{run_id}.db")) as events:
        return [size for (size,) in events.execute("SELECT length(event) FROM event_logs")]


def test_a_night_without_news_adds_no_plot_and_a_bounded_number_of_bytes(undisturbed, tmp_path):
    home = Home(copied(undisturbed.path, tmp_path / ".cbi"))
    pipeline, folder = Pipeline(home.settings), home.settings.dagster_dir
    drawn = plots(home)
    assert {path.parent.parent.name for path in drawn} >= {"price", "features"}
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        before = database_bytes(folder)
        result = (
            definitions.defs()
            .resolve_job_def("nightly")
            .execute_in_process(
                instance=instance,
                partition_key=pipeline.today().isoformat(),
                resources={"pipeline": pipeline},
                run_config=QUIET,
            )
        )
    assert result.success
    assert plots(home) == drawn
    sizes = event_sizes(folder, result.run_id)
    assert max(sizes) <= EVENT_BYTES
    assert sum(sizes) <= EVENTS_BYTES
    assert database_bytes(folder) - before <= FILES_BYTES
