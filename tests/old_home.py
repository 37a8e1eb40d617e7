"""What an earlier version wrote, unpacked: see fixtures/README.md."""

import json
import tarfile
from pathlib import Path
from typing import Any

from tests.system.homes import Home

FIXTURES = Path(__file__).parent / "fixtures"


def unpack_home(folder: Path) -> Home:
    """The old home, where it now lies, with the records and the catalogue it was made from."""
    _unpack("old-home.tar.xz", folder)
    # It was written when a file of one's own stood alone, closed records had a table, and GARCH was
    # a switch.
    catalogue = folder / "catalogue.toml"
    text = catalogue.read_text().partition("[profile.")[0]
    closed = text.replace("liquid = true", "liquid = true\nrecord_ends = 2019-01-03")
    closed = closed.replace("garch = false", 'baselines = ["climatology", "ewma", "prior"]')
    catalogue.write_text(f'remove = ["commodity", "evaluation"]\n{closed}')
    home = folder / ".cbi"
    variables = {
        "CBI_PROFILE": "archive",
        "CBI_ARCHIVE_DIR": str(folder / "archive"),
        "CBI_CATALOGUE_FILE": str(folder / "catalogue.toml"),
    }
    return Home(home, variables)


def unpack_ledger(folder: Path) -> Path:
    """A folder whose ``ledger`` is the old one, and nothing else."""
    _unpack("old-ledger.tar.xz", folder)
    return folder


def expected() -> dict[str, Any]:
    """What the version that wrote them said of them."""
    document: dict[str, Any] = json.loads((FIXTURES / "old-homes.json").read_text())
    return document


def _unpack(name: str, folder: Path) -> None:
    with tarfile.open(FIXTURES / name) as archive:
        archive.extractall(folder, filter="data")
