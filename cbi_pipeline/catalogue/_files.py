"""Sources of files in the catalogue: what ``cbi feeds import`` reads beside a person's own CSV."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FileEntry(BaseModel):
    """One source of files.

    Attributes:
        name: short name, used in tables and commands.
        module: module whose ``source()`` says how its files are read.
        brings: what they bring, for people.
        origin: the file and the entry in it that name the module.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    module: str
    brings: str
    origin: str
