"""Every test writes into a folder of its own: nothing here touches the checkout's .cbi."""

import fcntl
import gc
import io
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.records import recent
from tests.system.homes import Home

# A busy machine is no finding: properties have no deadline of their own.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


#: Files and folders that take longest: one of them begun last would keep a worker waiting. Of the
#: first three one makes the night that others share; the other two do not wait for it.
FIRST = (
    *("tests/system/test_interruptions.py", "tests/feed_servers/test_nights.py"),
    "tests/system/test_two_nights.py",
    *("tests/system/", "tests/feed_servers/", "tests/cli/", "tests/ingest/"),
)


def pytest_collection_modifyitems(items):
    def rank(item):
        return next((n for n, place in enumerate(FIRST) if item.nodeid.startswith(place)), 99)

    items.sort(key=rank)


def pytest_configure(config):
    gc.set_threshold(50_000, 20, 20)  # as the command does: most of the heap is libraries
    for name in [name for name in os.environ if name.startswith("CBI_")]:
        del os.environ[name]
    os.environ["MPLBACKEND"] = "Agg"
    os.environ.pop("DAGSTER_HOME", None)


@pytest.fixture(autouse=True, scope="session")
def _home_apart(tmp_path_factory):
    os.environ["CBI_HOME"] = str(tmp_path_factory.mktemp("home") / ".cbi")
    yield
    del os.environ["CBI_HOME"]


@pytest.fixture(autouse=True, scope="session")
def records(tmp_path_factory) -> Iterator[Path]:
    """The archive of every test that names no other: the shipped one's records from 2010 on."""
    folder = recent(tmp_path_factory.mktemp("records") / "archive")
    os.environ["CBI_ARCHIVE_DIR"] = str(folder)
    yield folder
    del os.environ["CBI_ARCHIVE_DIR"]


@pytest.fixture(scope="session")
def one_night(tmp_path_factory) -> Path:
    """A home in which the whole pipeline has run once; to be copied, never to be written to.

    Workers share it: the first that wants it makes it.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    home, done = Home(shared / "one_night" / ".cbi"), shared / "one_night.done"
    with (shared / "one_night.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            home.run()
            done.touch()
    return home.path


@pytest.fixture
def everything_said():
    """All log records down to DEBUG."""
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield heard
    root.removeHandler(handler)
    root.setLevel(level)
