import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cbi_pipeline.feeds import archive
from tools import rebuild_archive as tool

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> Path:
    """Wheels of the pinned packages: those of CBI_ARCHIVE_WHEELS, else downloaded."""
    given = os.environ.get("CBI_ARCHIVE_WHEELS")
    if given:
        return Path(given)
    folder = tmp_path_factory.mktemp("wheels")
    try:
        tool.download(folder)
    except subprocess.CalledProcessError:
        pytest.skip("no package index within reach; set CBI_ARCHIVE_WHEELS to a folder of wheels")
    return folder


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.rebuild_archive", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_shipped_archive_is_what_the_pinned_packages_give(wheels):
    done = run("--wheels", wheels)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_changed_value_is_found_and_its_file_and_line_named(wheels, archive_dir, edit):
    edit("eia-wti-daily.csv.gz", "1/6/1986,26.53", "1/6/1986,26.54")
    archive.seal(archive_dir)
    done = run("--wheels", wheels, "--archive", archive_dir)
    assert done.returncode == 1
    assert done.stderr == "eia-wti-daily.csv.gz: differs from line 4\n"


def test_a_changed_fact_in_the_record_is_found(wheels, archive_dir):
    record = archive_dir / archive.RECORD
    record.write_text(record.read_text().replace("USD/bbl", "EUR/bbl"))
    done = run("--wheels", wheels, "--archive", archive_dir)
    assert done.returncode == 1
    assert archive.RECORD in done.stderr


def test_every_value_of_a_repeated_series_is_the_first_tables_text(wheels):
    built = next(file for file in tool.rebuild(wheels) if "2017-06-28" in file.name)
    lines = gzip.decompress(built.body).decode().splitlines()
    solar = next(line for line in lines if line.startswith("SOTCBUS,198402,"))
    # The production table of that issue writes 1.00E-06.
    assert solar.split(",")[2] == "1.0E-6"
    assert solar.endswith(",consumption")
