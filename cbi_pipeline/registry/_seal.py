"""The seal of a model folder: one hash per file, in the format that ``sha256sum -c`` reads."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cbi_pipeline.registry.errors import RegistryDamaged

SEAL = "SHA256SUMS"


def seal(folder: Path) -> str:
    """Write the hash of every file of ``folder`` into it; return the hash of that list."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{_sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / SEAL).write_text("".join(lines))
    return _sha256(folder / SEAL)


def verify(folder: Path, expected: str) -> None:
    """Check that a folder holds every sealed file, unchanged.

    Files that the seal does not name are left alone: MLflow adds one of its own.

    Raises:
        RegistryDamaged: names the first file that is missing or changed.
    """
    listing = folder / SEAL
    if not listing.is_file() or _sha256(listing) != expected:
        raise RegistryDamaged(f"{listing} is missing or is not the list that was registered")
    for line in listing.read_text().splitlines():
        digest, name = line.split("  ", maxsplit=1)
        if not (folder / name).is_file():
            raise RegistryDamaged(f"{folder / name} is missing from the registered model")
        if _sha256(folder / name) != digest:
            raise RegistryDamaged(f"{folder / name} is not the file that was registered")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
