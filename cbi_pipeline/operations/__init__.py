"""What is done here, in words a person would use; neither Dagster nor the command line."""

from cbi_pipeline.operations.check_catalogue import (
    awaited_files,
    awaited_keys,
    check_catalogue,
    unbrought_inputs,
)

__all__ = ["awaited_files", "awaited_keys", "check_catalogue", "unbrought_inputs"]
