"""With a wrong catalogue the page opens, and every run fails with what is wrong."""

import os
import subprocess
import sys

import pytest

from cbi_pipeline.settings import PROJECT_ROOT
from tests.catalogues import ALONE

LAUNCH = """
import dagster as dg
from cbi_pipeline import definitions
from cbi_pipeline.defs.alerts import cause

defs = definitions.defs()
quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
with dg.DagsterInstance.ephemeral() as instance:
    job = defs.resolve_job_def("ingest_eia")
    result = job.execute_in_process(quiet, instance, raise_on_error=False)
    print(result.success, cause(instance, result.dagster_run))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('unit = "USD/bbl"', 'unit = "USD/gal"', "wti: unit = 'USD/gal', but EIA.RWTC is in"),
        ("[evaluation]", "[evaluation", "is not valid TOML"),
        ('feeds.cftc"', 'feeds.nope"', "[feed.cftc]: module = 'cbi_pipeline.feeds.nope'"),
    ],
    ids=["a name", "no TOML", "a module"],
)
def test_the_page_opens_and_a_run_fails_at_once_with_the_words(tmp_path, old, new, words):
    file = tmp_path / "catalogue.toml"
    text = ALONE
    assert old in text
    file.write_text(text.replace(old, new))
    variables = {"CBI_CATALOGUE_FILE": str(file), "CBI_PROFILE": "live", "CBI_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LAUNCH],
        cwd=PROJECT_ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("False ingest_eia: "), done.stderr
    assert words in done.stdout
