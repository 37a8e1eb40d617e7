"""Aliases as MLflow has them, held against those that the decisions call for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import polars as pl

from cbi_pipeline.registry.aliases import CHALLENGER, CHAMPION, DERIVED, derive
from cbi_pipeline.registry.errors import RegistryEmpty, RegistryMismatch
from cbi_pipeline.registry.versions import tag

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

_PROMOTE = "a champion is changed with `cbi models promote`, which keeps who did it and why"


@dataclass(frozen=True, slots=True)
class Deviation:
    """One way in which the registry is not as the record has it.

    Attributes:
        words: what is so, and what makes it right again.
        undo: makes it right; None where that cannot be done here.
    """

    words: str
    undo: Callable[[], None] | None = None


class Readable(Protocol):
    """A registered model, by MLflow or by its database alone."""

    def current(self) -> dict[str, int]:
        """Version of each alias that is set."""
        ...

    def find(self, number: int) -> object | None:
        """The version of that number, if there is one."""
        ...

    def is_run_deleted(self, number: int) -> bool:
        """Whether the tracking run of a version there is was deleted."""
        ...


@dataclass(frozen=True, slots=True)
class Aliases:
    """The aliases of one registered model.

    Attributes:
        client: of a store that exists.
        name: registered model.
    """

    client: MlflowClient
    name: str

    def current(self) -> dict[str, int]:
        """Version of each alias that is set."""
        # MLflow's searches leave aliases out, so the model itself is asked, if there is one.
        if not self.client.search_registered_models(f"name = '{self.name}'"):
            return {}
        aliases = self.client.get_registered_model(self.name).aliases
        return {alias: int(version) for alias, version in aliases.items()}

    def called_for(
        self,
        decisions: pl.DataFrame,
        versions: pl.DataFrame,
        tonight: Mapping[str, int] | None = None,
    ) -> dict[str, int]:
        """Version of each alias that the decisions call for and the registry still has.

        Raises:
            RegistryEmpty: the champion's version is not in the registry.
            RegistryMismatch: the champion has no recorded version, or a version holds another
                model than the one recorded.
        """
        recorded = dict(versions.select("version", "fingerprint").iter_rows())
        wanted = derive(decisions, versions, tonight)
        for alias, number in list(wanted.items()):
            version = self.find(number)
            if version is not None:
                _require_recorded(version, recorded[number])
            elif alias == CHAMPION:
                raise RegistryEmpty(_explain_lost(alias, number))
            else:
                del wanted[alias]
        return wanted

    def apply(self, wanted: Mapping[str, int]) -> None:
        """Let champion and challenger be these; other aliases are left alone."""
        current = self.current()
        for alias in sorted(DERIVED):
            if current.get(alias) != wanted.get(alias):
                self.point(alias, wanted.get(alias))

    def is_run_deleted(self, number: int) -> bool:
        """Whether the tracking run of a version there is was deleted in MLflow."""
        version = self.client.get_model_version(self.name, str(number))
        return str(self.client.get_run(str(version.run_id)).info.lifecycle_stage) == "deleted"

    def restore_run(self, number: int) -> None:
        """Take back the deletion of a version's tracking run."""
        version = self.client.get_model_version(self.name, str(number))
        self.client.restore_run(str(version.run_id))

    def point(self, alias: str, number: int | None) -> None:
        """Let an alias name a version, or none."""
        if number is None:
            self.client.delete_registered_model_alias(self.name, alias)
        else:
            self.client.set_registered_model_alias(self.name, alias, str(number))

    def find(self, number: int) -> ModelVersion | None:
        """The version of that number, if there is one."""
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_model_version(self.name, str(number))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None


def find_deviations(
    model: Readable, change: Callable[[], Aliases], decisions: pl.DataFrame, versions: pl.DataFrame
) -> Iterator[Deviation]:
    """Whatever of champion and challenger is not as the record has it.

    Args:
        model: what the registry says.
        change: what can undo it, made when something is undone.
        decisions: rows of registry.decision.
        versions: rows of registry.version.
    """
    wanted, current = derive(decisions, versions), model.current()
    recipes = dict(versions.select("version", "recipe").iter_rows())
    for alias in (CHAMPION, CHALLENGER):
        due, now = wanted.get(alias), current.get(alias)
        if due is not None and model.find(due) is None:
            yield Deviation(_explain_lost(alias, due))
            continue
        # An earlier version of the challenger's recipe may have come back with its catalogue.
        comes_back = alias == CHALLENGER and due and recipes.get(now or 0) == recipes[due]
        if now != due and not comes_back:
            words = _explain_moved(alias, due, now, is_recorded=now in recipes)
            yield Deviation(words, partial(_point, change, alias, due))
        if due is not None and model.is_run_deleted(due):
            words = f"the run of version {due}, {alias} by the record, was deleted in MLflow"
            yield Deviation(f"{words}; it is restored", partial(_restore_run, change, due))


def _point(change: Callable[[], Aliases], alias: str, number: int | None) -> None:
    change().point(alias, number)


def _restore_run(change: Callable[[], Aliases], number: int) -> None:
    change().restore_run(number)


def _require_recorded(version: ModelVersion, fingerprint: str) -> None:
    if tag(version, "fingerprint") != fingerprint:
        raise RegistryMismatch(
            f"version {version.version} in the registry is not the model that the warehouse "
            "records; the two come from different runs, restore them together"
        )


def _explain_lost(alias: str, number: int) -> str:
    return (
        f"version {number}, {alias} by the record, was deleted from the registry; promote another "
        f"with `cbi models promote`, or let `cbi run` register one anew"
    )


def _explain_moved(alias: str, due: int | None, now: int | None, *, is_recorded: bool) -> str:
    if now is None:
        return (
            f"the alias {alias} was deleted outside the record; it is set to version {due} again, "
            f"{_PROMOTE}"
        )
    unknown = "" if is_recorded else ", which the record does not know,"
    back = f"it is put back to version {due}" if due else "it is taken away, as none is called for"
    return (
        f"the alias {alias} was moved to version {now}{unknown} outside the record; {back}, "
        f"{_PROMOTE}"
    )
