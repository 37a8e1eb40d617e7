"""Which version a recipe already has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cbi_pipeline.registry.errors import RegistryUnreadable

if TYPE_CHECKING:
    from cbi_pipeline.forecasting import ModelRecipe
    from cbi_pipeline.registry.registry import Registry
    from cbi_pipeline.registry.versions import RegisteredVersion


def find_version(
    registry: Registry,
    recipe: ModelRecipe,
    *,
    state: str,
    panel_spec_id: str,
    code: str,
    calibration: str = "",
) -> RegisteredVersion | None:
    """The version of a recipe on this state, these axes and this code; None if there is none.

    Of several the one of this ``calibration`` is meant, where there is one.

    A version keeps the recipe id it was registered with. Where that id was made otherwise than
    today's, the recipe itself is read from the version and compared.

    Raises:
        RegistryDamaged: a version whose recipe must be read is not the one registered.
    """
    versions = sorted(registry.versions(), key=lambda version: version.calibration != calibration)
    for version in versions:
        if (version.state, version.panel_spec_id, version.code) != (state, panel_spec_id, code):
            continue
        if version.recipe_id == recipe.identity() or _holds(registry, version, recipe):
            return version
    return None


def _holds(registry: Registry, version: RegisteredVersion, recipe: ModelRecipe) -> bool:
    if version.recipe != recipe.name:
        return False
    try:
        return registry.load(version.version).recipe == recipe
    except RegistryUnreadable:
        return False
