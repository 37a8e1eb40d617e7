"""The home is private to its owner, also where a folder stood before, and is never another's."""

import os
import stat
from pathlib import Path

import pytest

from cbi_pipeline.settings import Settings, SettingsError

INSIDE = ("ledger", "warehouse", "mlflow", "dagster", "reports", "logs")
# The second is what earlier versions wrote.
NOTES = ("last_night.json", "standing.json")


def make(home: Path) -> None:
    Settings(_env_file=None, home=home).make_home()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_home(tmp_path) -> Path:
    home = tmp_path / "home"
    for name in INSIDE:
        (home / name).mkdir(mode=0o755, parents=True)
    for name in NOTES:
        (home / name).touch(0o644)
    home.chmod(0o755)
    return home


def test_a_new_home_and_what_is_missing_above_it_are_private(tmp_path):
    make(tmp_path / "desk" / "home")
    assert (mode(tmp_path / "desk"), mode(tmp_path / "desk" / "home")) == (0o700, 0o700)


def test_an_empty_folder_that_stood_there_is_closed(tmp_path):
    (tmp_path / "home").mkdir(mode=0o755)
    make(tmp_path / "home")
    assert mode(tmp_path / "home") == 0o700


def test_a_home_that_stood_open_is_closed_with_all_that_is_in_it(open_home):
    make(open_home)
    assert mode(open_home) == 0o700
    assert {mode(open_home / name) for name in INSIDE} == {0o700}
    assert {mode(open_home / name) for name in NOTES} == {0o600}


def test_a_home_in_a_folder_of_other_things_closes_its_own_alone(open_home):
    (open_home / "photos").mkdir(mode=0o755)
    make(open_home)
    assert (mode(open_home), mode(open_home / "photos")) == (0o755, 0o755)
    assert {mode(open_home / name) for name in INSIDE} == {0o700}


@pytest.mark.parametrize("name", ["photos", ".bashrc", "reports.pdf"])
def test_an_open_folder_of_other_things_is_refused_and_left_as_it_was(tmp_path, name):
    home = tmp_path / "someone"
    home.mkdir(mode=0o755)
    (home / name).touch()
    (home / "reports").mkdir(mode=0o755)
    with pytest.raises(SettingsError, match=rf"CBI_HOME: .*someone .*holds {name}.*chmod 700"):
        make(home)
    assert (mode(home), mode(home / "reports")) == (0o755, 0o755)


def test_a_closed_folder_of_ones_own_may_hold_other_things(tmp_path):
    (tmp_path / "notes.txt").touch()
    tmp_path.chmod(0o700)
    make(tmp_path)
    assert mode(tmp_path) == 0o700


def test_a_folder_that_all_users_share_is_refused(tmp_path):
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    with pytest.raises(SettingsError, match="shared by all users"):
        make(shared)
    assert mode(shared) == 0o1777


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_another_user_s_folder_is_refused(tmp_path, monkeypatch):
    home = tmp_path / "theirs"
    home.mkdir(mode=0o755)
    os.chown(home, 4321, 4321)
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    with pytest.raises(SettingsError, match="belongs to another user"):
        make(home)
    assert mode(home) == 0o755


def test_a_command_closes_the_home_before_it_writes(cbi_here, open_home):
    done = cbi_here("panel", "export", "frame.csv", home=open_home)
    assert done.returncode == 2
    assert mode(open_home) == 0o700


def test_a_refused_home_is_one_line_and_nothing_is_written_into_it(cbi_here, tmp_path):
    home = tmp_path / "someone"
    home.mkdir(mode=0o755)
    (home / "notes.txt").touch()
    done = cbi_here("run", home=home)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert [path.name for path in home.iterdir()] == ["notes.txt"]
