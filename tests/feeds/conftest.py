import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cbi_pipeline.feeds import archive

Edit = Callable[[str, str, str], None]


@pytest.fixture
def archive_dir(tmp_path: Path) -> Path:
    """A copy of the shipped archive that a test may damage."""
    return Path(shutil.copytree(archive.PACKAGED, tmp_path / "archive"))


@pytest.fixture
def edit(archive_dir: Path) -> Edit:
    """Replace text that occurs in a file of the copy, as a person with an editor would."""

    def replace(name: str, old: str, new: str) -> None:
        path = archive_dir / name
        text = gzip.decompress(path.read_bytes()).decode()
        assert old in text
        path.write_bytes(gzip.compress(text.replace(old, new, 1).encode(), mtime=0))

    return replace
