"""The recipes of the catalogue as Dagster's partitions, and all of them as one run."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

#: Name of the partitions that the walk-forward has.
RECIPE = "recipe"


def renew_recipes(instance: dg.DagsterInstance, names: Collection[str]) -> None:
    """Make the partitions of an instance those of some recipes."""
    keys = instance.get_dynamic_partitions(RECIPE)
    for name in set(keys) - set(names):
        instance.delete_dynamic_partition(RECIPE, name)
    instance.add_dynamic_partitions(RECIPE, [name for name in names if name not in keys])


def range_tags(keys: Sequence[str]) -> dict[str, str]:
    """Tags of one run over all partitions, in the order that an instance holds them."""
    return {ASSET_PARTITION_RANGE_START_TAG: keys[0], ASSET_PARTITION_RANGE_END_TAG: keys[-1]}
