"""The leak detector: scramble the future of a record and see whether the past notices."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import torch

from cbi_pipeline.features import CORE_1, build_rows, build_targets, known_targets, panel
from cbi_pipeline.forecasting import latest
from cbi_pipeline.forecasting.scaler import fit_moments
from cbi_pipeline.market import latest_prices
from tests.features.records import CATALOGUE, prices
from tests.features.worlds import scramble

END = datetime(2020, 2, 13, 5, tzinfo=UTC)

Study = Callable[[pl.DataFrame, datetime], str]
"""(observations, instant) to a fingerprint of everything decided at or before the instant."""


def notices(study: Study, observed: pl.DataFrame, instant: datetime, seed: int, series=()) -> bool:
    """Whether what was decided up to ``instant`` depends on what became public after it."""
    garbled = scramble(observed, instant, seed, series)
    return study(observed, instant) != study(garbled, instant)


def rows_of(observed: pl.DataFrame) -> pl.DataFrame:
    """All rows of a record."""
    return build_rows(prices(observed), observed, CATALOGUE, CORE_1, END)


def features_study(observed: pl.DataFrame, instant: datetime) -> str:
    """The rows as the product builds them, once, with all it will ever know."""
    return fingerprint(decided(rows_of(observed), instant))


def full_study(observed: pl.DataFrame, instant: datetime) -> str:
    """Rows, prices, targets, the panel, the training fold and its scaler."""
    priced, rows = prices(observed), rows_of(observed)
    targets = build_targets(priced, rows, CATALOGUE, END)
    frames = [
        decided(rows, instant),
        latest_prices(priced, instant),
        targets.filter(pl.col("available_at") <= instant),
        known_targets(targets, CORE_1, instant),
    ]
    known = panel(rows, targets, CATALOGUE, CORE_1, instant)
    parts = [*(fingerprint(frame) for frame in frames), known.identity()]
    parts += training_parts(known, instant)
    return " ".join(parts)


def training_parts(known, instant: datetime) -> list[str]:
    """Fingerprints of the fold trained at ``instant`` and of the scaler fitted on it."""
    try:
        fold = latest(known, micros(instant), embargo_days=7, validation_share=0.2)
    except ValueError:
        return []
    moments = fit_moments(known, torch.from_numpy(fold.train_rows))
    arrays = [fold.train_rows, fold.validation_rows, fold.test_rows]
    arrays += [moment.numpy() for moment in moments]
    return [hashlib.sha256(array.tobytes()).hexdigest() for array in arrays]


def micros(instant: datetime) -> int:
    """Microseconds UTC."""
    return int(instant.timestamp()) * 1_000_000


def decided(frame: pl.DataFrame, instant: datetime) -> pl.DataFrame:
    """The lines decided at or before ``instant``."""
    return frame.filter(pl.col("decision_at") <= instant)


def fingerprint(frame: pl.DataFrame) -> str:
    """Hash of every bit of a frame."""
    digest = hashlib.sha256(repr(frame.schema).encode())
    for column in frame.iter_columns():
        if column.dtype == pl.List:
            digest.update(column.list.len().to_numpy().tobytes())
            column = column.explode()
        digest.update(column.is_null().to_numpy().tobytes())
        if column.dtype.is_float():
            digest.update(column.fill_null(0.0).to_numpy().tobytes())
        else:
            digest.update(repr(column.to_list()).encode())
    return digest.hexdigest()
