"""How often a run publishes: once when something is new, never when nothing is."""

import pytest

from tests.system.homes import Home, copied

pytestmark = pytest.mark.slow


def snapshots(home: Home) -> set[str]:
    """Every snapshot ever published, of a home that has published three times at the most."""
    paths = (home.settings.warehouse_dir / "published").glob("*.duckdb")
    return {path.name for path in paths}


def forget_night(home: Home) -> None:
    """Let the next run go through every job, as one on another day would."""
    (home.path / "last_night.json").unlink()


def test_a_run_with_news_publishes_once_and_one_without_never(undisturbed, tmp_path):
    home = Home(copied(undisturbed.path, tmp_path / ".cbi"))
    first = snapshots(home)
    assert len(first) == 1
    forget_night(home)
    assert "nothing to do" not in home.run().stdout
    assert snapshots(home) == first
    assert "nothing to do" in home.run().stdout
    # A history of one's own moves what is known, and with it what a night says.
    history = tmp_path / "own.csv"
    history.write_text("period,value\n2020-02-10,100.0\n")
    stated = ("--series", "OWN.DESK", "--unit", "USD/t", "--source", "desk")
    imported = home.cbi("feeds", "import", "csv", str(history), *stated)
    assert imported.returncode == 0, imported.stdout + imported.stderr
    assert len(snapshots(home)) == 2
    home.run()
    assert len(snapshots(home)) == 3
