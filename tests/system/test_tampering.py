"""An archive that lost, changed or gained something, as its user meets it."""

import shutil
from pathlib import Path

import pytest

from cbi_pipeline.feeds import archive
from cbi_pipeline.warehouse import Warehouse
from tests.defs.trees import footprint
from tests.records import rewrite
from tests.system.homes import Home

pytestmark = pytest.mark.slow

WTI = "eia-wti-daily.csv.gz"


@pytest.fixture
def folder(tmp_path) -> Path:
    return Path(shutil.copytree(archive.PACKAGED, tmp_path / "archive"))


@pytest.fixture
def home(tmp_path, folder) -> Home:
    return Home(tmp_path / ".cbi", {"CBI_ARCHIVE_DIR": str(folder)})


def nothing_was_invented(home: Home) -> bool:
    kept = {name.split("/")[0] for name in footprint(home.path)}
    return kept <= {"dagster", "made_with.json"} and not (home.path / "warehouse").exists()


def test_a_deleted_file_stops_the_run_and_is_named(home, folder):
    (folder / WTI).unlink()
    done = home.cbi("run")
    assert done.returncode != 0
    assert WTI in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert nothing_was_invented(home)


def test_a_flipped_byte_stops_the_run_and_names_the_file(home, folder):
    content = bytearray((folder / WTI).read_bytes())
    content[100] ^= 1
    (folder / WTI).write_bytes(content)
    done = home.cbi("run")
    assert done.returncode != 0
    assert WTI in done.stdout + done.stderr
    assert nothing_was_invented(home)


def test_edited_rows_go_to_quarantine_the_rest_goes_through_and_the_report_says_so(home, folder):
    def edit(lines: list[str]) -> list[str]:
        text = lines[-1].split(",")[0] + ",n/k\n"
        other = lines[-2].split(",")[0] + ",99.99\n"
        # The record ends on 2019-01-03, a year before the archive's clock.
        later = [line.replace("11/15/2018,", "12/31/2019,") for line in lines[:-1]]
        assert later != lines[:-1]
        return [*later, text, other, "1/14/2019,90.00\n", "1/4/2031,50.00\n"]

    rewrite(folder / WTI, edit)
    assert "sealed" in home.cbi("archive", "seal").stdout
    home.run()
    rows = home.cbi("quarantine", "list").stdout
    assert "n/k" in rows
    assert "99.99" in rows
    assert "2031" in rows
    assert "within_the_record" in rows
    assert "2019-12-31" in rows
    assert "2019-01-14" in rows
    with Warehouse(home.settings.warehouse_dir).read() as store:
        prices = store.table("market.session", "commodity = 'wti'").sort("session")
    assert (str(prices["session"][-1]), prices["price"][-1]) == ("2018-12-28", 45.15)
    report = (home.settings.reports_dir / "latest.html").read_text()
    assert "modified" in report
    assert WTI in report


def test_training_on_a_series_whose_rights_forbid_it_is_refused_and_the_series_named(home, folder):
    record = folder / archive.RECORD
    text = record.read_text()
    # The first file is that of the WTI price.
    record.write_text(text.replace('rights = "public-domain"', 'rights = "no-training"', 1))
    done = home.cbi("run")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "EIA.RWTC (no-training)" in said
    with Warehouse(home.settings.warehouse_dir).read() as store:
        assert len(store.table("features.origin"))
        assert store.table("evaluation.fold_forecast").is_empty()
        assert store.table("registry.version").is_empty()
        assert store.table("issued.forecast").is_empty()
