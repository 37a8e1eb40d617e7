"""A database file that cannot be read, as the user of each command meets it."""

import shutil

import pytest

from cbi_pipeline.warehouse import Warehouse
from tests.old_home import unpack_home
from tests.warehouse.damage import harm

#: What reads the snapshot, as a user would type it.
READERS = {
    "forecast": "forecast",
    "report": "report",
    "data": "data as-of 2020-02-12 --series OWN.DESK",
    "feeds list": "feeds list",
    "quarantine": "quarantine list",
    "run": "run",
    "import": "feeds import csv {folder}/own.csv --series OWN.DESK --unit USD/t --source desk",
    "retry": "quarantine retry --rule bounds",
}
WRITERS = ("run", "import")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    home = unpack_home(tmp_path_factory.mktemp("old"))
    Warehouse(home.settings.warehouse_dir).check()  # as today's version lays it out
    return home


@pytest.fixture
def home(unpacked, tmp_path):
    (tmp_path / "own.csv").write_text("period,value\n2020-01-02,7\n2020-01-03,8\n")
    return shutil.copytree(unpacked.path, tmp_path / "home", symlinks=True)


@pytest.fixture
def run(cbi_here, unpacked, home, tmp_path):
    return lambda line: cbi_here(
        *line.format(folder=tmp_path).split(), home=home, **unpacked.variables
    )


def written(home):
    return home / "warehouse" / "cbi.duckdb"


def snapshot(home):
    return (home / "warehouse" / "published" / "current").resolve()


def require_one_line(done, path):
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1
    assert str(path) in done.stderr
    assert "cbi rebuild" in done.stderr


@pytest.mark.parametrize("line", READERS.values(), ids=READERS)
def test_a_damaged_snapshot_is_one_line(run, home, line):
    path = snapshot(home)
    harm(path, "flipped header")
    require_one_line(run(line), path)


def test_it_is_one_line_to_the_export_of_a_panel(run, home):
    path = snapshot(home)
    harm(path, "flipped header")
    require_one_line(run("panel export {folder}/panel.csv"), path)


@pytest.mark.parametrize("line", [READERS[name] for name in WRITERS], ids=WRITERS)
def test_a_damaged_database_is_one_line(run, home, line):
    harm(written(home), "zeroed header")
    require_one_line(run(line), written(home))


@pytest.mark.parametrize("of", [written, snapshot])
@pytest.mark.parametrize("name", ["flipped bytes", "cut to half", "folder", "empty"])
def test_doctor_names_it(run, home, of, name):
    path = of(home)
    harm(path, name)
    done = run("doctor")
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if " warehouse " in line]
    assert line.startswith("fix")
    assert str(path) in line
    assert "cbi rebuild" in line


@pytest.mark.parametrize("of", [written, snapshot])
def test_verify_names_it(run, home, of):
    path = of(home)
    harm(path, "text")
    done = run("ledger verify")
    assert done.returncode == 1
    assert [str(path) in line and "cbi rebuild" in line for line in done.stderr.splitlines()] == [
        True
    ]


@pytest.mark.parametrize("of", [written, snapshot])
@pytest.mark.parametrize("name", ["flipped bytes", "folder"])
def test_a_rebuild_repairs_it(run, home, of, name):
    before = run("forecast --json").stdout
    harm(of(home), name)
    done = run("rebuild")
    assert done.returncode == 0, done.stderr
    assert "the same as recorded" in done.stdout
    assert run("forecast --json").stdout == before
    assert run("ledger verify").returncode == 0


def test_a_rebuild_says_what_would_be_lost_before_it_is(run, home):
    issued = run("forecast --json").stdout
    for path in (written(home), snapshot(home)):
        harm(path, "text")
    done = run("rebuild")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "registry.decision" in done.stderr
    assert "issued.forecast" not in done.stderr
    assert "cbi rebuild --lossy" in done.stderr
    done = run("rebuild --lossy")
    assert done.returncode == 0, done.stderr
    assert "registry.decision" in done.stdout
    assert run("forecast --json").stdout == issued
