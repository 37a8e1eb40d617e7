import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import Installation, eia_installation

FIRST_NIGHT = datetime(2020, 6, 4, 3, 0, tzinfo=UTC)


def publish_spot(server: EiaServer, code="RWTC", days=110, start=date(2020, 1, 2)) -> None:
    """A price for every working day, public six days later."""
    for offset in range(days):
        day = start + timedelta(days=offset)
        if day.weekday() < 5:
            at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=6)
            server.publisher.publish(at, code, day, f"{40 + offset / 7:.2f}")


@pytest.fixture
def server():
    with EiaServer() as running:
        publish_spot(running)
        running.publisher.now = FIRST_NIGHT
        yield running


@pytest.fixture(scope="session")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("first") / "home"
    with EiaServer() as running:
        publish_spot(running)
        running.publisher.now = FIRST_NIGHT
        assert eia_installation(home, running).night(FIRST_NIGHT).changed
    return home


@pytest.fixture
def installed(first_night: Path, tmp_path: Path, server: EiaServer) -> Installation:
    """An installation whose first night went well."""
    home = Path(shutil.copytree(first_night, tmp_path / "home", symlinks=True))
    return eia_installation(home, server)
