"""The catalogue that a home was made with: another one takes a home of its own.

Files in the home's own ``catalogue`` folder come and go with it. A file that is named from outside,
and a catalogue without the one that ships, decide what all of the home's evidence is about.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from cbi_pipeline.catalogue import CatalogueError, is_without_base
from cbi_pipeline.settings import SHIPPED_CATALOGUES, Settings

_NOTE = "made_with.json"


@dataclass(frozen=True, slots=True)
class MadeWith:
    """What a home was made with.

    Attributes:
        base: whether the catalogue that ships is part of it.
        named: the file that was named from outside, by name alone where it ships; empty for none.
        digest: hash of what that file said last; empty likewise.
    """

    base: bool
    named: str
    digest: str

    def __str__(self) -> str:
        shipped = "the catalogue that ships" if self.base else 'base = "none"'
        return f"{shipped} and {self.named}" if self.named else shipped


def require_own_home(settings: Settings) -> None:
    """Refuse a catalogue that the home was not made with; one without rows takes any.

    Raises:
        CatalogueError: names both, and what to do.
    """
    noted, asked = _read_note(settings), _describe_settings(settings)
    if noted is None or not settings.warehouse_dir.is_dir():
        return
    if noted.base == asked.base and _is_same(noted, asked, settings):
        return
    raise CatalogueError(
        f"{settings.home} was made with {noted}, not with {asked}, and the evidence of both would "
        f"stand side by side; set CBI_HOME to another folder, {_way_back(noted, asked)}, or write "
        f"what you change into a file in {settings.catalogue_dir}"
    )


def _way_back(noted: MadeWith, asked: MadeWith) -> str:
    if noted.base != asked.base:
        return f'{"take back" if noted.base else "write"} base = "none"'
    return f"name {noted.named} again" if noted.named else "name no catalogue"


def note_catalogue(settings: Settings) -> None:
    """Keep with the home what it is made with, as a run begins that writes to it."""
    text = json.dumps(asdict(_describe_settings(settings)))
    file = settings.make_home() / _NOTE
    if not file.is_file() or file.read_text() != text:
        written = file.with_suffix(".new")
        written.write_text(text)
        written.replace(file)


def has_run(settings: Settings) -> bool:
    """Whether a run has begun that wrote to the home.

    Raises:
        CatalogueError: what it noted cannot be read.
    """
    return _read_note(settings) is not None


def _read_note(settings: Settings) -> MadeWith | None:
    file = settings.home / _NOTE
    try:
        return MadeWith(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise CatalogueError(f"{file} cannot be read: {error}; delete it") from error


def _describe_settings(settings: Settings) -> MadeWith:
    base, file = not is_without_base(*settings.catalogue_files), settings.catalogue_file
    if file is None:
        return MadeWith(base, "", "")
    named = file.name if file.parent == SHIPPED_CATALOGUES else str(file)
    return MadeWith(base, named, _digest(file))


def _is_same(noted: MadeWith, asked: MadeWith, settings: Settings) -> bool:
    """Whether it is the same file, the file elsewhere, or now one of the home's own."""
    own = settings.catalogue_files if noted.digest else ()
    return noted.named == asked.named or noted.digest in map(_digest, own)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
