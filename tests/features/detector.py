"""The leak detector: scramble the future of a record and see whether the past notices."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from importlib.util import find_spec

import numpy as np
import polars as pl
import torch

from cbi_pipeline.evaluation import (
    Plan,
    Rolling,
    absences,
    calibrate,
    estimator_of,
    walk_forward,
)
from cbi_pipeline.evaluation.models.boosted import Boosted, BoostedRecipe
from cbi_pipeline.evaluation.models.ewma import Ewma
from cbi_pipeline.evaluation.models.garch import Garch
from cbi_pipeline.features import build_targets, panel, with_targets_as_of
from cbi_pipeline.features.feature_sets import CORE_1
from cbi_pipeline.features.training_panel import select_public_targets
from cbi_pipeline.forecasting import Estimator, Panel, make_final_fold
from cbi_pipeline.forecasting.models.climatology import Climatology
from cbi_pipeline.forecasting.models.garch import GarchRecipe
from cbi_pipeline.forecasting.models.har import Har
from cbi_pipeline.forecasting.models.prior import Prior
from cbi_pipeline.forecasting.scaler import fit_moments
from cbi_pipeline.market import latest_prices
from data_contracts.evaluation import FORECAST
from tests.evaluation.models import blend
from tests.features.records import CATALOGUE, prices, rows_of
from tests.features.worlds import scramble
from tests.recipes import tiny

END = datetime(2020, 2, 13, 5, tzinfo=UTC)
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class Record:
    """Observations and all the product makes of them, each made once."""

    observations: pl.DataFrame
    end: datetime = END

    @cached_property
    def prices(self) -> pl.DataFrame:
        return prices(self.observations)

    @cached_property
    def rows(self) -> pl.DataFrame:
        return rows_of(self.prices, self.observations, self.end)

    @cached_property
    def targets(self) -> pl.DataFrame:
        return build_targets(self.prices, self.rows, CATALOGUE, self.end)

    @cached_property
    def bands(self) -> pl.DataFrame:
        """The made-up forecasts, calibrated once with all that will ever be known of outcomes."""
        return calibrate(forecasts(self), self.targets)

    @cached_property
    def whole(self) -> Panel:
        """All rows there will ever be."""
        return self.panel(self.end)

    @property
    def contenders(self) -> list[Estimator]:
        """Everything that a walk-forward can compare."""
        recipe = tiny(CORE_1.name)
        trees = (
            [Boosted(BoostedRecipe(name="lightgbm", feature_set=CORE_1.name))]
            if find_spec("lightgbm")
            else []
        )
        networks = [estimator_of(recipe), Rolling(recipe, estimator_of(recipe), 2)]
        garch = [Garch(), Garch(GarchRecipe(name="gjr_t", asymmetric=True))]
        return [Climatology(), Ewma(), Prior(), Har(), blend(), *garch, *trees, *networks]

    def panel(self, as_of: datetime = END) -> Panel:
        return panel(self.rows, self.targets, self.prices, CATALOGUE, CORE_1, as_of)


Study = Callable[[Record, datetime], str]
"""(record, instant) to a fingerprint of everything decided at or before the instant."""


def notices(study: Study, record: Record, instant: datetime, seed: int, series=()) -> bool:
    """Whether what was decided up to ``instant`` depends on what became public after it."""
    return study(record, instant) != study(_garbled(record, instant, seed, series), instant)


@lru_cache(maxsize=16)
def _garbled(record: Record, instant: datetime, seed: int, series: tuple[str, ...]) -> Record:
    return Record(scramble(record.observations, instant, seed, series))


def features_study(record: Record, instant: datetime) -> str:
    """The rows as the product builds them, once, with all it will ever know."""
    return fingerprint(decided(record.rows, instant))


def full_study(record: Record, instant: datetime) -> str:
    """Rows, prices, targets, the panel, the training fold and its scaler."""
    frames = [
        decided(record.rows, instant),
        latest_prices(record.prices, instant),
        record.targets.filter(pl.col("available_at") <= instant),
        select_public_targets(record.targets, instant),
    ]
    parts = [fingerprint(frame) for frame in frames]
    if len(frames[0]) > 1:
        known = record.panel(instant)
        parts += [known.identity(), *training_parts(known, instant)]
    return " ".join(parts)


def bands_study(record: Record, instant: datetime) -> str:
    """The calibrated bands said by the instant."""
    return fingerprint(said(record.bands, instant))


def walked_study(record: Record, instant: datetime) -> str:
    """What a walk-forward over the whole record trains on at ``instant``."""
    told = with_targets_as_of(record.whole, record.targets, instant)
    rows = told.decision_at_R.numpy() <= micros(instant)
    targets = np.where(told.target_mask_RH.numpy(), told.target_RH.numpy(), np.nan)
    parts = [hashlib.sha256(targets[rows].tobytes()).hexdigest()]
    return " ".join([*parts, *training_parts(told, instant)])


def contenders_study(record: Record, instant: datetime) -> str:
    """What every contender says, or why it is silent, at origins up to ``instant``."""
    return walked_by(record.contenders, record, instant)


def walked_by(estimators: Sequence[Estimator], record: Record, instant: datetime) -> str:
    """What models that hold all there will ever be known of a record make of its past."""
    given = {"targets": record.targets, "evaluation_id": "e"}
    planned = past_plan(record, instant)
    if planned is None:
        return "no origin yet"
    said = walk_forward(record.whole, estimators, planned, **given)
    silent = absences(record.whole, estimators, planned, **given)
    return " ".join(fingerprint(frame.sort(frame.columns)) for frame in (said, silent))


def past_plan(record: Record, instant: datetime) -> Plan | None:
    """Each commodity's newest rows decided by ``instant``, and one refit forty days before it."""
    refit = instant - timedelta(days=40)
    names = np.array(record.whole.spec.commodities, dtype=object)
    rows = pl.DataFrame(
        {
            "commodity": pl.Series(names[record.whole.commodity_R.numpy()], dtype=pl.String),
            "session": pl.Series(record.whole.session_R.numpy()).cast(pl.Date),
        }
    ).with_row_index("row")
    ready = record.rows.filter(pl.col("ready"), pl.col("decision_at").is_between(refit, instant))
    origins = ready.select("commodity", "session", "decision_at", "price").join(
        rows.cast({"row": pl.Int64}), on=["commodity", "session"], how="left"
    )
    # Odd ones alone are enough; each commodity's newest is among them.
    odd = pl.int_range(pl.len(), 0, -1).over("commodity") % 4 == 1
    origins = origins.sort("commodity", "session").filter(odd)
    order = ["row", "commodity", "session", "decision_at", "price"]
    return Plan(origins.sort("row").select(order), (refit,)) if origins.height else None


def forecasts(record: Record) -> pl.DataFrame:
    """The same narrow forecast from every fifth row, so that only outcomes move its bands."""
    own = record.rows.sort("commodity", "session")
    picked = own.filter(pl.int_range(pl.len()).over("commodity") % 5 == 0)
    horizons = pl.concat(
        pl.DataFrame({"commodity": one.id, "horizon": one.steps}) for one in CATALOGUE.commodities
    )
    volatility = 0.01 * pl.col("horizon").sqrt()
    return (
        picked.join(horizons, on="commodity")
        .join(pl.DataFrame({"quantile": LEVELS}), how="cross")
        .with_columns(value=(pl.col("quantile") - 0.5) * volatility, volatility=volatility)
        .select(
            *("commodity", "horizon", "quantile", "value", "volatility"),
            origin_session="session",
            as_of="decision_at",
            origin_price="price",
            up=pl.lit(0.5),
            **{name: pl.lit("made up") for name in ("evaluation_id", "recipe", "fold")},
        )
        .select(pl.col(name).cast(dtype) for name, dtype in FORECAST.dtypes.items())
    )


def said(bands: pl.DataFrame, instant: datetime) -> pl.DataFrame:
    """The forecasts made at or before ``instant``."""
    return bands.filter(pl.col("as_of") <= instant)


def training_parts(known: Panel, instant: datetime) -> list[str]:
    """Fingerprints of the fold trained at ``instant`` and of the scaler fitted on it."""
    try:
        fold = make_final_fold(known, micros(instant), embargo_days=7, validation_share=0.2)
        moments = fit_moments(known, torch.from_numpy(fold.train_rows))
    except ValueError as too_little_history:
        return [str(too_little_history)]
    # A row's place in the panel moves with the rows that other commodities get later.
    names = np.stack([known.commodity_R.numpy(), known.session_R.numpy()])
    arrays = [names[:, rows] for rows in (fold.train_rows, fold.validation_rows, fold.test_rows)]
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
