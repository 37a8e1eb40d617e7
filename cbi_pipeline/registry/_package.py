"""Build the folder of one model version: weights, calendar, description, code, signature."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.registry import frame

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import Model as MlflowModel

    from cbi_pipeline.forecasting import Calibration, Model, PanelSpec

Calendar = Mapping[str, Sequence[date]]

_MODEL_CODE = Path(__file__).with_name("pyfunc_model.py")
_FORECASTING = Path(__file__).parent.parent / "forecasting"
_REQUIREMENTS = ("mlflow", "numpy", "pandas", "safetensors", "torch")


def check_calendar(calendar: Calendar, newest: pl.DataFrame, spec: PanelSpec) -> None:
    """Check that every target session of a forecast from the newest rows can be dated.

    Raises:
        ValueError: names the commodity and what its calendar lacks.
    """
    origins = dict(newest.group_by("commodity").agg(pl.col("session").max()).iter_rows())
    for commodity, steps in zip(spec.commodities, spec.steps, strict=True):
        sessions, origin = list(calendar.get(commodity, ())), origins[commodity]
        if sessions != sorted(set(sessions)):
            raise ValueError(f"{commodity}: calendar sessions must be unique and ascending")
        ahead = sum(session > origin for session in sessions)
        if not sessions or sessions[0] > origin or ahead < max(steps):
            raise ValueError(
                f"{commodity}: the calendar must run from {origin} or earlier to at least "
                f"{max(steps)} sessions after it; it has {ahead}"
            )


def build(
    folder: Path,
    model: Model,
    calibration: Calibration,
    example: pd.DataFrame,
    calendar: Calendar,
    identity: MlflowModel,
    revision: str | None,
) -> None:
    """Write the model folder as MLflow loads it.

    Args:
        folder: target, must not exist; its parts are gathered beside it.
        model: what to carry.
        calibration: how its forecasts are moved.
        example: input example, as :func:`frame.choose_example` gives its rows.
        calendar: sessions of each commodity, past the longest horizon.
        identity: MLflow's own record of the run and model the folder belongs to.
        revision: commit of the code that writes, where that is known.
    """
    import mlflow.pyfunc

    parts = folder.with_name("parts")
    mlflow.pyfunc.save_model(
        path=folder,
        python_model=str(_MODEL_CODE),
        artifacts={
            name: str(path)
            for name, path in _parts(parts, model, calibration, calendar, revision).items()
        },
        signature=frame.signature(model.spec),
        input_example=example,
        pip_requirements=[_pin(name) for name in sorted({*_REQUIREMENTS, *model.libraries})],
        mlflow_model=identity,
    )
    _drop_serving_example(folder)


def _drop_serving_example(folder: Path) -> None:
    """Take out the example in the words of MLflow's scoring server: twice the other one's size."""
    from mlflow.models import Model as MlflowModel

    description = MlflowModel.load(folder)
    named = (description.saved_input_example_info or {}).pop("serving_input_path", None)
    if named is not None:
        (folder / named).unlink()
        description.save(folder / "MLmodel")


def _parts(
    folder: Path, model: Model, calibration: Calibration, calendar: Calendar, revision: str | None
) -> dict[str, Path]:
    model.save(folder / "forecaster", commit=revision)
    sessions = {name: [day.isoformat() for day in calendar[name]] for name in calendar}
    _copy_code(folder / "code", model)
    return {
        "forecaster": folder / "forecaster",
        "calibration": _write(folder / "calibration.json", calibration.describe()),
        "calendar": _write(folder / "calendar.json", sessions),
        "panel": _write(folder / "panel.json", _description(model)),
        "code": folder / "code",
    }


def _copy_code(folder: Path, model: Model) -> None:
    """What predicts, for where the project is not installed."""
    package = "cbi_pipeline"
    shutil.copytree(
        _FORECASTING,
        folder / package / _FORECASTING.name,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    module = type(model).__module__
    if not module.startswith(f"{package}.{_FORECASTING.name}."):
        # A kind that predicts with a library of its own lives beside what fits it.
        own = folder.joinpath(*module.split(".")).with_suffix(".py")
        own.parent.mkdir(parents=True)
        shutil.copyfile(str(sys.modules[module].__file__), own)


def _description(model: Model) -> dict[str, object]:
    spec = model.spec
    return {
        "fingerprint": model.fingerprint(),
        "feature_set": spec.feature_set,
        "history": dict(model.history),
        "horizons": dict(
            zip(
                spec.commodities,
                (dict(zip(spec.horizons, steps, strict=True)) for steps in spec.steps),
                strict=True,
            )
        ),
        "levels": list(model.recipe.levels),
        "input": [dict(zip(_FACTS, column, strict=True)) for column in frame.columns(spec)],
        "output": [dict(zip(_FACTS, column, strict=True)) for column in frame.OUTPUT],
    }


_FACTS = ("column", "type", "meaning")


def _write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document, indent=1))
    return path


def _pin(package: str) -> str:
    # "+cpu" names a build that only one index serves; any build of the version will do.
    return f"{package}=={version(package).partition('+')[0]}"
