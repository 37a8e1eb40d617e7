"""What Dagster loads: everything found under ``defs``."""

from pathlib import Path

import dagster as dg
from dagster_shared.record import replace


@dg.definitions
def defs() -> dg.Definitions:
    """The assets, checks, jobs, schedules and sensors of the environment as it is when asked.

    Raises:
        SettingsError: a setting cannot be used.
    """
    from cbi_pipeline.defs.stewardship import steward

    loaded = dg.load_from_defs_folder(path_within_project=Path(__file__).parent / "defs")
    describe = steward()
    assets = (asset for asset in loaded.assets or () if isinstance(asset, dg.AssetsDefinition))
    return replace(loaded, assets=[asset.map_asset_specs(describe) for asset in assets])
