"""One file and one entry of the catalogue make a feed's assets, job, schedule and alerts."""

import os
import subprocess
import sys

import pytest

from cbi_pipeline.catalogue import CatalogueError, load_feeds
from cbi_pipeline.ingest import live_feeds
from cbi_pipeline.settings import PROJECT_ROOT, Settings

ENTRY = """
[feed.{name}]
module = "tests.defs.new_feed"
brings = "River levels"
cron = ["15 13 * * *"]
zone = "Europe/Berlin"
hours = "Every day after noon."
"""
LOOK = """
from cbi_pipeline import definitions
from cbi_pipeline.defs.alerts import watched_jobs
from cbi_pipeline.operations.pipeline import Pipeline
watched = watched_jobs(Pipeline.from_environment())
job = definitions.defs().resolve_job_def("ingest_river")
print(sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys))
schedule = definitions.defs().resolve_schedule_def("ingest_river_schedule")
print(schedule.cron_schedule, schedule.execution_timezone, "ingest_river" in watched)
"""


def catalogue(tmp_path, name):
    file = tmp_path / "catalogue.toml"
    file.write_text(ENTRY.format(name=name))
    return file


@pytest.mark.slow
def test_dagster_has_a_new_feed_by_its_entry(tmp_path):
    file = catalogue(tmp_path, "river")
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=PROJECT_ROOT,
        env={**os.environ, "CBI_CATALOGUE_FILE": str(file)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "['landing/river', 'raw/river']",
        "['15 13 * * *'] Europe/Berlin True",
    ]


def test_an_entry_adds_to_the_feeds_that_ship(tmp_path):
    names = [entry.name for entry in load_feeds(catalogue(tmp_path, "river"))]
    assert names == ["eia", "eia_history", "cftc", "worldbank", "river"]


def test_an_entry_that_lacks_its_hours_is_refused(tmp_path):
    file = catalogue(tmp_path, "river")
    file.write_text(file.read_text().replace("hours", "when"))
    with pytest.raises(CatalogueError, match="hours"):
        load_feeds(file)


def test_a_module_that_is_not_there_is_named(tmp_path):
    file = catalogue(tmp_path, "river")
    file.write_text(file.read_text().replace("new_feed", "no_feed"))
    with pytest.raises(CatalogueError, match=r"tests\.defs\.no_feed"):
        live_feeds(Settings(_env_file=None, catalogue_file=file))


def test_a_module_that_describes_another_feed_is_refused(tmp_path):
    settings = Settings(_env_file=None, catalogue_file=catalogue(tmp_path, "lake"))
    with pytest.raises(CatalogueError, match=r"tests\.defs\.new_feed\.source\(\).*named lake"):
        live_feeds(settings)
