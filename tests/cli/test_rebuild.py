"""``cbi rebuild`` after everything but the ledger and the issued copy was lost."""

import shutil

import pytest

pytestmark = pytest.mark.slow


def test_a_lost_warehouse_comes_back_with_the_forecasts_that_were_issued(cbi, finished, tmp_path):
    home = shutil.copytree(finished, tmp_path / "home", symlinks=True)
    shutil.rmtree(home / "warehouse")
    done = cbi("rebuild", home=home)
    assert done.returncode == 0, done.stderr
    assert "the same as recorded" in done.stdout
    assert "restored  issued.forecast" in done.stdout
    assert "to build  prices, features and targets" in done.stdout
    assert cbi("ledger", "verify", home=home).returncode == 0


def test_a_changed_blob_stops_it_in_one_line(cbi, finished, tmp_path):
    home = shutil.copytree(finished, tmp_path / "home", symlinks=True)
    blob = next(path for path in (home / "ledger" / "blobs").rglob("*") if path.is_file())
    blob.write_bytes(blob.read_bytes() + b"x")
    done = cbi("rebuild", home=home)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert blob.name in done.stderr
