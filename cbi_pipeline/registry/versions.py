"""A registered version, and what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cbi_pipeline.registry.errors import RegistryDamaged

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from cbi_pipeline.registry._sqlite import StoredVersion

MODEL_TAG = "model_id"
SEAL_TAG = "sha256sums"
DECIDED_TAG = "decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredVersion:
    """One version of the registered model.

    Attributes:
        version: number, from 1.
        run_id: tracking run with its parameters, scores and files.
        model_id: MLflow's name of the stored model.
        uri: what ``mlflow.pyfunc.load_model`` takes.
        fingerprint: hash of weights and configuration.
        recipe: recipe name.
        recipe_id: hash of the recipe.
        state: state of the data it was trained on.
        as_of: knowledge instant of its training rows.
        registered_at: when it was registered, UTC.
        note: what a reader must know.
        aliases: names that point to it now.
        decided: the newest decision that names it, in words; empty when none does.
        panel_spec_id: hash of the names on its panel's axes; empty where none was recorded.
        code: identity of the sources and libraries that trained it; empty likewise.
        calibration: identity of how its forecasts are moved; empty likewise.
    """

    version: int
    run_id: str
    model_id: str
    uri: str
    fingerprint: str
    recipe: str
    recipe_id: str
    state: str
    as_of: datetime
    registered_at: datetime
    note: str
    aliases: tuple[str, ...]
    decided: str = ""
    panel_spec_id: str = ""
    code: str = ""
    calibration: str = ""

    def row(self) -> dict[str, object]:
        """The version as a row of registry.version."""
        names = (
            "version",
            "recipe",
            "recipe_id",
            "fingerprint",
            "state",
            "as_of",
            "run_id",
            "note",
        )
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Trace:
    """What a version was made from, as recorded when it was registered.

    Attributes:
        version: the version.
        tags: state, as-of, code, dependencies, contracts, catalogue, decision and seal.
        parameters: recipe as dotted names.
        decision: row of registry.decision, or None when it was registered without one.
    """

    version: RegisteredVersion
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    decision: Mapping[str, object] | None


def read(stored: ModelVersion | StoredVersion, aliases: Mapping[str, int]) -> RegisteredVersion:
    """A version from MLflow's own record of it.

    Raises:
        RegistryDamaged: it lacks a tag that every registration writes.
    """
    version = int(stored.version)
    return RegisteredVersion(
        version=version,
        run_id=str(stored.run_id),
        model_id=tag(stored, MODEL_TAG),
        uri=f"models:/{stored.name}/{version}",
        as_of=datetime.fromisoformat(tag(stored, "as_of")),
        registered_at=datetime.fromtimestamp(stored.creation_timestamp / 1000, UTC),
        aliases=tuple(sorted(alias for alias, number in aliases.items() if number == version)),
        decided=stored.tags.get(DECIDED_TAG, ""),
        panel_spec_id=stored.tags.get("axes", ""),
        code=stored.tags.get("code", ""),
        calibration=stored.tags.get("calibration", ""),
        **{name: tag(stored, name) for name in _PLAIN_TAGS},
    )


_PLAIN_TAGS = ("fingerprint", "note", "recipe", "recipe_id", "state")


def tag(stored: ModelVersion | StoredVersion, name: str) -> str:
    """The value of a tag that every registration writes.

    Raises:
        RegistryDamaged: the version lacks it.
    """
    if name not in stored.tags:
        raise RegistryDamaged(
            f"version {stored.version} of {stored.name} has no tag {name!r}, so it was not "
            f"registered by this pipeline; delete it in MLflow"
        )
    value: str = stored.tags[name]
    return value
