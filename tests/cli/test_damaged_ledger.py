"""A ledger that lost or changed something, as its user meets it."""

import shutil

import pytest

LINE = ("--series", "DESK.PALM", "--unit", "USD/t", "--source", "desk book")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return tmp_path_factory.mktemp("written") / "home"


@pytest.fixture
def bring(cbi_here, tmp_path):
    def run(home, value):
        file = tmp_path / "palm.csv"
        file.write_text(f"period,value\n2020-01-02,{value}\n2020-01-03,2\n")
        return cbi_here("feeds", "import", "csv", str(file), *LINE, home=home)

    return run


@pytest.fixture
def home(written, bring, tmp_path):
    if not written.exists():
        assert bring(written, 1.0).returncode == 0
        assert bring(written, 1.5).returncode == 0
    return shutil.copytree(written, tmp_path / "home", symlinks=True)


def refused(done, code, *words):
    assert done.returncode == code, done.stdout
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert all(word in done.stderr for word in words), done.stderr


def test_a_sound_ledger_is_said_to_be(cbi_here, home):
    done = cbi_here("ledger", "verify", home=home)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "2 responses and 0 forecast rows are sound\n"


@pytest.mark.parametrize("name", ["manifest.jsonl", "transactions.jsonl"])
def test_half_a_last_line_is_named_by_verify_rebuild_and_import(cbi_here, bring, home, name):
    path = home / "ledger" / name
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][: len(lines[1]) // 2])
    done = cbi_here("ledger", "verify", home=home)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{path}, line 2 is cut off" in done.stderr
    refused(cbi_here("rebuild", home=home), 2, str(path.parent), "copy")
    refused(bring(home, 1.7), 2, str(path), "line 2", "copy")


def test_an_empty_manifest_is_not_sound(cbi_here, home):
    path = home / "ledger" / "manifest.jsonl"
    path.write_bytes(b"")
    done = cbi_here("ledger", "verify", home=home)
    assert (done.returncode, done.stdout) == (1, "")
    assert str(path) in done.stderr


def test_a_lost_warehouse_is_named_with_its_repair(cbi_here, bring, home):
    shutil.rmtree(home / "warehouse")
    for line in (("ledger", "verify"), ("doctor",)):
        done = cbi_here(*line, home=home)
        assert done.returncode == 1
        assert "cbi rebuild" in done.stdout + done.stderr
    refused(bring(home, 1.7), 2, "cbi.duckdb", "cbi rebuild")
    refused(cbi_here("run", home=home), 2, "cbi.duckdb", "cbi rebuild")
    refused(
        cbi_here("data", "as-of", "2020-02-12", "--series", "DESK.PALM", home=home),
        2,
        "cbi rebuild",
    )
    assert cbi_here("rebuild", home=home).returncode == 0
    assert bring(home, 1.7).returncode == 0
    shown = cbi_here("data", "as-of", "2100-01-01", "--series", "DESK.PALM", home=home)
    assert "1.7" in shown.stdout
