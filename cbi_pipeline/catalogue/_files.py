"""Sources of files in the catalogue: what ``cbi feeds import`` reads beside a person's own CSV."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from cbi_pipeline.catalogue._catalogue import PACKAGED
from cbi_pipeline.catalogue._document import make, read_document, table_of


class FileEntry(BaseModel):
    """One source of files.

    Attributes:
        name: short name, used in tables and commands.
        module: module whose ``source()`` says how its files are read.
        brings: what they bring, for people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    module: str
    brings: str


def load_files(path: Path | None = None) -> tuple[FileEntry, ...]:
    """Sources of files of the packaged catalogue, and those a file of the user's adds or changes.

    Raises:
        CatalogueError: the file is missing or no TOML, or an entry is wrong.
    """
    source = path or PACKAGED
    found = table_of(read_document(PACKAGED), "file", PACKAGED)
    if path is not None:
        found = found | table_of(read_document(path), "file", path)
    return tuple(
        make(FileEntry, {**table_of(found, name, source), "name": name}, f"{source}, [file.{name}]")
        for name in found
    )
