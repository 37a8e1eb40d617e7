import shutil
from pathlib import Path

import pytest

from tests.ingest.archive_copy import Pipe, small_archive


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("archive") / "small")


@pytest.fixture(scope="session")
def ingested(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home into which the small archive was ingested once."""
    home = tmp_path_factory.mktemp("home")
    Pipe(home, shipped).run()
    return home


@pytest.fixture
def fresh(shipped: Path, tmp_path: Path) -> Pipe:
    """An empty home and a copy of the small archive that a test may damage."""
    folder = tmp_path / "fresh"
    return Pipe(folder / "home", Path(shutil.copytree(shipped, folder / "archive")))


@pytest.fixture
def pipe(ingested: Path, shipped: Path, tmp_path: Path) -> Pipe:
    """A copy of the ingested home and of the small archive."""
    home = Path(shutil.copytree(ingested, tmp_path / "home", symlinks=True))
    return Pipe(home, Path(shutil.copytree(shipped, tmp_path / "archive")))
