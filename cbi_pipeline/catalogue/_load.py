"""The catalogue of a profile, its feeds and its sources of files, out of all its layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import RootModel

from cbi_pipeline.catalogue._catalogue import Catalogue, Commodity, FeedEntry, contradictions
from cbi_pipeline.catalogue._document import CatalogueError
from cbi_pipeline.catalogue._evaluation import EvaluationPlan
from cbi_pipeline.catalogue._files import FileEntry
from cbi_pipeline.catalogue._layers import PROFILES, Layers, read_layers

Entry = TypeVar("Entry", FeedEntry, FileEntry)


class GroupInputs(RootModel[dict[str, str]]):
    """The series behind the inputs of a feature group."""


def load_catalogue(*files: Path, profile: str = "archive") -> Catalogue:
    """Read the catalogue of a profile; what is written for the other profiles is read too.

    Args:
        files: what is laid over the shipped catalogue, in turn.
        profile: whose commodities are followed.

    Raises:
        CatalogueError: a file is missing or no TOML, an entry is wrong, or they contradict each
            other.
    """
    layers = read_layers(*files)
    catalogues: dict[str, Catalogue] = {
        name: _make_catalogue(layers, name)
        for name in PROFILES
        if name == profile or layers.table("profile", name, "commodity")
    }
    return catalogues[profile]


def load_feeds(*files: Path) -> tuple[FeedEntry, ...]:
    """Every service that may be asked.

    Args:
        files: what is laid over the shipped catalogue, in turn.

    Raises:
        CatalogueError: a file is missing or no TOML, or an entry is wrong.
    """
    return _load_entries(FeedEntry, "feed", files)


def load_files(*files: Path) -> tuple[FileEntry, ...]:
    """Every source of files.

    Args:
        files: what is laid over the shipped catalogue, in turn.

    Raises:
        CatalogueError: a file is missing or no TOML, or an entry is wrong.
    """
    return _load_entries(FileEntry, "file", files)


def _load_entries(kind: type[Entry], section: str, files: Sequence[Path]) -> tuple[Entry, ...]:
    layers = read_layers(*files)
    return tuple(
        layers.make(
            kind, section, name, name=name, origin=str(layers.origin(section, name, "module"))
        )
        for name in layers.table(section)
    )


def _make_catalogue(layers: Layers, profile: str) -> Catalogue:
    where = ("profile", profile, "commodity")
    commodities = tuple(
        layers.make(Commodity, *where, name, id=name) for name in layers.table(*where)
    )
    if not commodities:
        raise CatalogueError(
            f"{layers.newest}: no commodity is followed in the profile {profile}; write one under "
            "[[commodity]]"
        )
    for commodity, field, words in contradictions(commodities):
        origin = layers.origin(*where, commodity, field)
        named = layers.table(*where, commodity).get(field)
        by = layers.removed.get((*where, str(named)))
        raise CatalogueError(f"{origin}: {words}" + (f"; {by} takes it out" if by else ""))
    groups = {name: layers.make(GroupInputs, "group", name).root for name in layers.table("group")}
    plan = layers.make(EvaluationPlan, "evaluation")
    return Catalogue(commodities=commodities, evaluation=plan, groups=groups)
