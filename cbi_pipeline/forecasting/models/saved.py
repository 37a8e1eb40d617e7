"""Opening a saved model of any kind."""

from pathlib import Path

from cbi_pipeline.forecasting.forecaster import Forecaster
from cbi_pipeline.forecasting.models.model import Model
from cbi_pipeline.forecasting.models.statistical import DESCRIPTION, load_statistical


def load_model(folder: Path, *, written_by: object = None) -> Model:
    """The model saved in `folder`, on the CPU.

    Args:
        folder: where a model's `save` wrote.
        written_by: what else is known of the version that wrote it, for files that do not say.

    Raises:
        ValueError: the files are missing, damaged, do not belong together, or say what this version
            lacks; names the folder and the writing version.
    """
    if (folder / DESCRIPTION).is_file():
        return load_statistical(folder, written_by=written_by)
    return Forecaster.load(folder, written_by=written_by)
