"""What Dagster loads: everything found under ``defs``."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """The assets, checks, jobs, schedules and sensors of the environment as it is when asked.

    Raises:
        SettingsError: a setting cannot be used.
    """
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent / "defs")
