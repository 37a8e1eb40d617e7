"""Recipe files that begin from another: what a file says is laid over what that one says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cbi_pipeline.catalogue._document import CatalogueError, read_document, suggest_names

Address = tuple[str, ...]

#: What a file says of itself alone, and not of those that begin from it.
_OWN = ("summary", "remark")


@dataclass(frozen=True, slots=True)
class Written:
    """What a file says together with those that it begins from.

    Attributes:
        document: its values and tables.
        origins: the file that each value stands in, by its path.
    """

    document: dict[str, Any] = field(default_factory=dict)
    origins: Mapping[Address, Path] = field(default_factory=dict)


def read_written(source: Path, folders: Sequence[Path], above: tuple[Path, ...] = ()) -> Written:
    """A recipe's file with all that it begins from by ``from = "NAME"``.

    Tables are merged field by field, but one that states another ``kind`` stands alone; ``remove``
    names what is dropped before, as in ``["anchor", "training.clip"]``.

    Args:
        source: the file.
        folders: those of recipes, later ones before earlier ones; a file that begins from its own
            name means the one that it stands for.
        above: files that begin from this one.

    Raises:
        CatalogueError: a file is missing or no TOML, begins from none or from itself, changes the
            kind, or drops what is not there.
    """
    document = read_document(source)
    name, removed = document.pop("from", None), document.pop("remove", None)
    if name is None:
        if removed is not None:
            raise CatalogueError(f"{source}: remove drops what comes by from; name a recipe there")
        return Written(document, dict.fromkeys(list_paths(document), source))
    parent = _find_parent(source, name, folders)
    if parent in (source, *above):
        raise CatalogueError(f"{source}: from: {name} begins from this one")
    inherited = read_written(parent, folders, (*above, source))
    base = {key: value for key, value in inherited.document.items() if key not in _OWN}
    _drop(base, removed, source)
    if document.get("kind", base.get("kind")) != base.get("kind"):
        raise CatalogueError(
            f"{source}: kind: {name} is a recipe of the kind {base.get('kind')}; leave kind out, "
            "or leave from out"
        )
    merged, own = _lay(base, document), set(list_paths(document))
    origins = {
        path: source if path in own else inherited.origins[path] for path in list_paths(merged)
    }
    return Written(merged, origins)


def list_paths(table: Mapping[str, Any], *within: str) -> Iterator[Address]:
    """Paths of the values of a table and of those in it."""
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from list_paths(value, *within, name)
        else:
            yield (*within, name)


def _find_parent(source: Path, name: object, folders: Sequence[Path]) -> Path:
    if not isinstance(name, str):
        raise CatalogueError(f'{source}: from is the name of a recipe, as in "anchored_gru"')
    before = list(folders)
    if name == source.stem and source.parent in before:
        before = before[: before.index(source.parent)]
    files = {path.stem: path for folder in before for path in folder.glob("*.toml")}
    if name not in files:
        raise CatalogueError(
            f"{source}: from: no recipe {name!r}{suggest_names(name, files)}; there are: "
            f"{', '.join(sorted(files))}"
        )
    return files[name]


def _drop(base: dict[str, Any], names: object, source: Path) -> None:
    """Take values and tables out of what is begun from."""
    if names is None:
        return
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CatalogueError(f'{source}: remove takes a list of names, such as ["training.clip"]')
    for name in names:
        *way, last = name.split(".")
        holder: Any = base
        for part in way:
            holder = holder.get(part) if isinstance(holder, dict) else None
        if not isinstance(holder, dict) or last not in holder:
            there = {".".join(path) for path in list_paths(base)}
            raise CatalogueError(
                f"{source}: remove: what it begins from has no {name}{suggest_names(name, there)}"
            )
        del holder[last]


def _lay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One table over another, field by field."""
    merged = dict(below)
    for name, value in above.items():
        earlier = merged.get(name)
        if isinstance(value, dict) and isinstance(earlier, dict) and not _is_other(value, earlier):
            merged[name] = _lay(earlier, value)
        else:
            merged[name] = value
    return merged


def _is_other(table: Mapping[str, Any], earlier: Mapping[str, Any]) -> bool:
    """Whether a table states a kind that is not the earlier one's, whose fields are not its own."""
    return "kind" in table and table["kind"] != earlier.get("kind")
