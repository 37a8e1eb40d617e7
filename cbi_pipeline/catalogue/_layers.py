"""Catalogue files laid over one another, the later over the earlier.

Tables merge by id and field, a field's value replaces the earlier one. Every value keeps the file
it came from, so that what is wrong with it is said of that file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cbi_pipeline.catalogue._document import (
    CatalogueError,
    Model,
    explain_fault,
    read_document,
    require_names,
    suggest_names,
    table_of,
    tables_of,
)
from cbi_pipeline.settings import Profile

PACKAGED = Path(__file__).parent.with_name("catalogue.toml")
#: Profiles that may have commodities of their own.
PROFILES: tuple[Profile, ...] = ("archive", "public", "live")
#: What needs no key is followed beside what does.
_FOLLOWED_IN = {"public": ("public", "live")}
#: Entries by name, and the one table that is no entry of others.
_NAMED = ("group", "feed", "file")
_TABLES = ("commodity", *_NAMED, "evaluation", "profile")
_HEAD = ("base", "remove")

Address = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written.

    Attributes:
        file: the file.
        heading: the entry in it, as a reader finds it there.
    """

    file: Path
    heading: str

    def __str__(self) -> str:
        return f"{self.file}, {self.heading}"


@dataclass
class Layers:
    """Everything that the files say together.

    Attributes:
        tables: ``group``, ``feed``, ``file`` and ``evaluation`` as written; commodities as
            ``profile``, its name, ``commodity``, its id.
        origins: of every entry and value, by its path in ``tables``.
        removed: the file that took an entry or value out, by its path.
        newest: the file laid last.
    """

    tables: dict[str, Any] = field(default_factory=dict)
    origins: dict[Address, Origin] = field(default_factory=dict)
    removed: dict[Address, Path] = field(default_factory=dict)
    newest: Path = PACKAGED

    def table(self, *path: str) -> dict[str, Any]:
        """The table at a path; empty where there is none."""
        table: Any = self.tables
        for name in path:
            table = table.get(name, {})
        return dict(table)

    def origin(self, *path: str) -> Origin:
        """Where the value at a path was written, or else what holds it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.origins:
                return self.origins[path[:end]]
        return Origin(self.newest, f"[{path[0]}]")

    def values(self, *path: str) -> Iterator[tuple[Address, object, Origin]]:
        """Every value at a path and below it: its own path, the value, where it was written."""
        table: Any = self.tables
        for name in path:
            if not isinstance(table, dict) or name not in table:
                return
            table = table[name]
        if isinstance(table, dict) and _merges(path):
            for name in table:
                yield from self.values(*path, name)
        else:
            yield path, table, self.origin(*path)

    def make(self, kind: type[Model], *path: str, **given: object) -> Model:
        """The model that the entry at a path describes.

        Args:
            kind: the model.
            path: of the entry.
            given: fields that are never written in it.

        Raises:
            CatalogueError: names the file and the entry of each field that is wrong.
        """
        table = self.table(*path)
        for name in table.keys() & given.keys():
            raise CatalogueError(f"{self.origin(*path, name)}: leave {name} out; it is given")
        try:
            return kind.model_validate({**table, **given})
        except ValidationError as error:
            raise CatalogueError(self._faults(kind, error, path)) from error

    def _faults(self, kind: type[BaseModel], error: ValidationError, path: Address) -> str:
        """What is wrong with the entry at a path, each fault after the place where it was made."""
        faults: dict[str, list[str]] = {}
        for fault in error.errors():
            origin = self.origin(*path, *map(str, fault["loc"]))
            words = explain_fault(kind, fault["type"], fault["loc"], fault["msg"])
            faults.setdefault(str(origin), []).append(words)
        return "; ".join(f"{where}: {'; '.join(words)}" for where, words in faults.items())

    def put(self, path: Address, value: object, origin: Origin) -> None:
        """Set what is written at a path; a table of entries or fields keeps what it lacks."""
        holder = self.tables
        for name in path[:-1]:
            holder = holder.setdefault(name, {})
        self.removed.pop(path, None)
        if isinstance(value, dict) and _merges(path):
            earlier = holder.get(path[-1])
            holder[path[-1]] = earlier if isinstance(earlier, dict) else {}
            for name, within in value.items():
                self.put((*path, name), within, origin)
        else:
            self._forget(path)
            holder[path[-1]] = value
        self.origins[path] = origin

    def take_out(self, path: Address, file: Path) -> bool:
        """Remove what is at a path; False where nothing is."""
        *above, name = path
        holder: Any = self.tables
        for part in above:
            holder = holder.get(part) if isinstance(holder, dict) else None
        if not isinstance(holder, dict) or name not in holder:
            return False
        del holder[name]
        self.removed |= dict.fromkeys(self._forget(path), file)
        return True

    def _forget(self, path: Address) -> list[Address]:
        """Drop where what is at a path was written; the paths of all of it."""
        gone = [key for key in self.origins if key[: len(path)] == path]
        for key in gone:
            del self.origins[key]
        return gone


def _merges(path: Address) -> bool:
    """Whether a table at a path is laid over the earlier one, field by field."""
    match path:
        case ("group" | "feed" | "file", *rest):
            return len(rest) <= 1
        case ("profile", _, "commodity", _, "groups", *rest):
            return len(rest) <= 1
        case ("profile", *rest):
            return len(rest) <= 3
    return path == ("evaluation",)


def read_layers(*files: Path) -> Layers:
    """The shipped catalogue, and files laid over it in turn.

    Raises:
        CatalogueError: a file is missing or no TOML, or holds a table that no catalogue has; its
            entries are not looked into.
    """
    documents = _read(files)
    if not _is_without_base(documents):
        documents = {PACKAGED: read_document(PACKAGED), **documents}
    layers = Layers()
    for file, document in documents.items():
        layers.newest = file
        _require_tables(document, file)
        _remove(layers, document.get("remove", []), file)
        _lay(layers, document, file)
    return layers


def is_without_base(*files: Path) -> bool:
    """Whether one of the files leaves the shipped catalogue out.

    Raises:
        CatalogueError: as for :func:`read_layers`.
    """
    return _is_without_base(_read(files))


def _read(files: Iterable[Path]) -> dict[Path, dict[str, Any]]:
    documents = {file: read_document(file) for file in files}
    for file, document in documents.items():
        _require_head(document, file)
    return documents


def _is_without_base(documents: Mapping[Path, Mapping[str, Any]]) -> bool:
    return any("base" in document for document in documents.values())


def _require_head(document: Mapping[str, Any], file: Path) -> None:
    if document.get("base", "none") != "none":
        raise CatalogueError(
            f'{file}: base = {document["base"]!r}: write base = "none" to leave out the catalogue '
            "that ships, or leave the line out"
        )
    names = document.get("remove", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CatalogueError(f'{file}: remove takes a list of names, such as ["commodity.wti"]')


def _require_tables(document: Mapping[str, Any], file: Path) -> None:
    profiles = table_of(document, "profile", file)
    for name in profiles:
        require_names(table_of(profiles, name, file), ("commodity",), f"{file}, [profile.{name}]")
    require_names(profiles, PROFILES, f"{file}, [profile]")
    require_names(document, (*_HEAD, *_TABLES), str(file))


def _remove(layers: Layers, names: Iterable[str], file: Path) -> None:
    for name in names:
        if not [path for path in _paths(name) if layers.take_out(path, file)]:
            there = {".".join(_strip_profile(path)) for path in layers.origins}
            raise CatalogueError(
                f"{file}, remove: no file before this one has {name}{suggest_names(name, there)}"
            )


def _paths(name: str) -> list[Address]:
    """What a name that is to be removed stands for; a commodity stands in profiles."""
    parts = tuple(name.split("."))
    if parts[0] != "commodity":
        return [parts]
    return [("profile", profile, *parts) for profile in PROFILES]


def _strip_profile(path: Address) -> Address:
    return path[2:] if path[0] == "profile" and len(path) > 3 else path


def _lay(layers: Layers, document: Mapping[str, Any], file: Path) -> None:
    for kind in _NAMED:
        for name in table_of(document, kind, file):
            entry = table_of(document[kind], name, file)
            layers.put((kind, name), entry, Origin(file, f"[{kind}.{name}]"))
    if evaluation := table_of(document, "evaluation", file):
        layers.put(("evaluation",), evaluation, Origin(file, "[evaluation]"))
    for commodity, entry in _commodities(document, "commodity", file):
        origin = Origin(file, f"[[commodity]] {commodity}")
        for profile in _profiles_following(layers, commodity):
            layers.put(("profile", profile, "commodity", commodity), entry, origin)
    for profile in table_of(document, "profile", file):
        where = f"profile.{profile}.commodity"
        for commodity, entry in _commodities(document["profile"][profile], where, file):
            origin = Origin(file, f"[[{where}]] {commodity}")
            for name in _FOLLOWED_IN.get(profile, (profile,)):
                layers.put(("profile", name, "commodity", commodity), entry, origin)


def _profiles_following(layers: Layers, commodity: str) -> tuple[str, ...]:
    """Those that an entry for every profile changes: where it is followed, or else every one."""
    following = {name: layers.table("profile", name, "commodity") for name in PROFILES}
    return tuple(name for name, ids in following.items() if commodity in ids) or PROFILES


def _commodities(
    section: Mapping[str, Any], name: str, file: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The ids of a section, and what else is written of each."""
    met: set[str] = set()
    for number, entry in enumerate(tables_of(section.get("commodity", []), name, file), start=1):
        commodity = entry.get("id")
        if not isinstance(commodity, str):
            words = "id is missing" if commodity is None else f"id: {commodity!r} is no text"
            raise CatalogueError(f"{file}, [[{name}]] number {number}: {words}")
        if commodity in met:
            raise CatalogueError(f"{file}, [[{name}]] {commodity}: the id stands there twice")
        met.add(commodity)
        yield commodity, {field: value for field, value in entry.items() if field != "id"}
