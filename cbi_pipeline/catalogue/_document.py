"""Reading a catalogue file: its TOML, its tables, and errors that name the entry and the field."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)


class CatalogueError(ValueError):
    """The catalogue cannot be used; the message says which entry and field of it is wrong."""


def suggest_names(name: str, names: Iterable[str]) -> str:
    """The names most like a wrong one, as the end of a sentence; empty where none is."""
    close = get_close_matches(name, sorted(names), n=3)
    return f"; nearest: {', '.join(close)}" if close else ""


def read_document(source: Path) -> dict[str, Any]:
    """What a file says.

    Raises:
        CatalogueError: it is missing, cannot be read, or is no TOML.
    """
    if not source.is_file():
        raise CatalogueError(
            f"no catalogue at {source}; name another file, or leave out --catalogue and "
            "CBI_CATALOGUE_FILE"
        )
    try:
        document = tomllib.loads(source.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{source} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{source} is not valid TOML: {error}") from error
    return document


def require_names(table: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    """Refuse a table with an entry that is none of ``names``."""
    for name in table:
        if name not in names:
            raise CatalogueError(
                f"{where}: {name} is no table of it; there are: {', '.join(names)}"
                f"{suggest_names(name, names)}"
            )


def table_of(within: Mapping[str, Any], name: str, source: Path) -> dict[str, Any]:
    """The table of that name, empty where there is none.

    Raises:
        CatalogueError: it is something else.
    """
    table = within.get(name, {})
    if not isinstance(table, dict):
        raise CatalogueError(f"{source}: {name} must be a table, found {table!r}")
    return table


def tables_of(listed: object, name: str, source: Path) -> list[dict[str, Any]]:
    """The entries of an array of tables.

    Raises:
        CatalogueError: it is something else.
    """
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise CatalogueError(f"{source}: write each entry under a line [[{name}]]")
    return listed


def make(kind: type[Model], given: object, where: str) -> Model:
    """The model that an entry describes.

    Raises:
        CatalogueError: names the entry and each field that is wrong.
    """
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        faults = (
            explain_fault(kind, fault["type"], fault["loc"], fault["msg"])
            for fault in error.errors()
        )
        raise CatalogueError(f"{where}: {'; '.join(faults)}") from error


def explain_fault(
    model: type[BaseModel], kind: str, path: tuple[int | str, ...], message: str
) -> str:
    """One of pydantic's errors, in words that name the field.

    Args:
        model: what was to be made.
        kind: of the error.
        path: the field, and what in it.
        message: pydantic's words.
    """
    field, words = ".".join(map(str, path)), message.removeprefix("Value error, ")
    if kind == "missing":
        return f"{field} is missing"
    if kind == "extra_forbidden":
        return f"{field} is no field of it{suggest_names(field, model.model_fields)}"
    return f"{field}: {words}" if field else words
