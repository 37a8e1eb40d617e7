"""Finished folds on disk: named by everything that decided them, whole or not there, and proved."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from cbi_pipeline.forecasting import devices, storage
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.estimator import Estimator
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.version import writer

_CONTENT = (
    *("commodity_R", "session_R", "decision_at_R", "values_RF", "mask_RF", "age_RG"),
    *("variance_R2", "price_R", "return_R", "rv_R"),
    *("ready_R", "target_RH", "target_mask_RH", "target_available_RH"),
)

_FORECASTS, _NOTE = "forecasts.parquet", "finished.json"


def name_folder(cache_dir: Path, estimator: Estimator, fold: Fold, key: str, code: str) -> Path:
    """The folder of a fold of an estimator.

    Args:
        cache_dir: where finished folds are kept.
        estimator: that forecasts it.
        fold: what is forecast.
        key: of `identify_fold`.
        code: name of the code that gives the forecasts.
    """
    # Bits repeat on one device alone.
    device = devices.describe_device(devices.choose_device())
    decided = (estimator.name, estimator.identity(), str(estimator.levels), code, device, key)
    name = hashlib.sha256("\n".join(decided).encode()).hexdigest()
    return cache_dir / estimator.name / f"{fold.name}-{name[:24]}"


def name_folders(
    estimators: Sequence[Estimator],
    chosen: Sequence[tuple[Panel, Fold]],
    cache_dir: Path | None,
    code: Mapping[str, str],
) -> dict[str, list[Path | None]]:
    """By estimator, the folder of each of its folds; None where nothing is kept.

    Args:
        estimators: what forecasts.
        chosen: the folds, each with the panel as told at its refit.
        cache_dir: where finished folds are kept; None keeps none.
        code: name of the code that gives the forecasts, by estimator.
    """
    if cache_dir is None:
        return {estimator.name: [None] * len(chosen) for estimator in estimators}
    keys = [identify_fold(*fold) for fold in chosen]
    return {
        estimator.name: [
            name_folder(cache_dir, estimator, fold, key, code.get(estimator.name, ""))
            for (_, fold), key in zip(chosen, keys, strict=True)
        ]
        for estimator in estimators
    }


def identify_fold(panel: Panel, fold: Fold) -> str:
    """Hash of the rows decided until the fold's last origin, and of the targets told at its refit.

    Later rows and targets leave it unchanged, so a finished fold stays finished as data arrive.
    """
    decision = panel.decision_at_R.cpu().numpy()
    kept = np.flatnonzero(decision <= decision[fold.test_rows].max())
    digest = hashlib.sha256(panel.spec.identity().encode())
    for name in _CONTENT:
        digest.update(np.ascontiguousarray(getattr(panel, name).cpu().numpy()[kept]).data)
    for rows in (fold.train_rows, fold.validation_rows, fold.test_rows):
        digest.update(b"|" + np.searchsorted(kept, rows).tobytes())
    return digest.hexdigest()


def is_kept(folder: Path) -> bool:
    """Whether a fold was finished."""
    return (folder / _NOTE).is_file()


def keep_fold(frame: pl.DataFrame, folder: Path) -> None:
    """Write a fold's forecasts, and after them the note that makes the fold a finished one."""
    stream = io.BytesIO()
    frame.write_parquet(stream)
    data = stream.getvalue()
    device = devices.describe_device(devices.choose_device())
    note = {"forecasts_sha256": storage.sha256(data), "device": device, "written_by": writer()}
    storage.write_atomic(folder / _FORECASTS, data)
    storage.write_atomic(folder / _NOTE, storage.seal(note))
    prune_fold(folder)


def prune_fold(folder: Path) -> None:
    """Remove the training checkpoints of a finished fold: its forecasts and their note are all."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)


def read_fold(folder: Path) -> pl.DataFrame | None:
    """The forecasts of a fold, as they were written; None for one not finished.

    Raises:
        ValueError: a file is damaged; names it and says what to do.
    """
    if not is_kept(folder):
        return None
    file = folder / _FORECASTS
    stated = storage.read_sealed(folder / _NOTE)["forecasts_sha256"]
    data = file.read_bytes() if file.is_file() else b""
    if storage.sha256(data) != stated:
        raise storage.Damaged(
            f"{file} is missing or damaged; delete {folder}, and its forecasts are made anew"
        )
    return pl.read_parquet(io.BytesIO(data))
