"""The long panel frame: feature rows as one flat table, and back to a panel.

The frame is what leaves the system: model inputs are exported, logged and served in it. It holds
one line per commodity and session, features by name, null where a feature is absent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.features.feature_sets import FeatureSet
from cbi_pipeline.features.returns import with_returns
from cbi_pipeline.forecasting.panel import NEVER, Panel, PanelSpec

ABSENT_AFTER_DAYS = 31
"""In joint windows a commodity counts as absent when its newest row is older than this."""

_MICROSECONDS_PER_DAY = 86_400_000_000
_HEAD = (
    *("commodity", "session", "decision_at", "price", "log_return"),
    *("realised_variance", "variance_ewma", "variance_long"),
)


def panel_spec(catalogue: Catalogue, feature_set: FeatureSet) -> PanelSpec:
    """Names of the panel's axes for a catalogue and a feature set."""
    return PanelSpec(
        feature_set=feature_set.name,
        features=feature_set.features,
        groups=feature_set.groups,
        commodities=tuple(commodity.id for commodity in catalogue.commodities),
        horizons=catalogue.horizons,
        steps=tuple(commodity.steps for commodity in catalogue.commodities),
        meanings=tuple(
            feature_set.meanings[commodity.id]
            for commodity in catalogue.commodities
            if feature_set.meanings
        ),
    )


def panel_frame(
    rows: pl.DataFrame, prices: pl.DataFrame, spec: PanelSpec, as_of: datetime | None = None
) -> pl.DataFrame:
    """The long frame of rows, in the order of the panel: catalogue order, then session.

    Args:
        rows: feature rows side by side; other columns and commodities are left out.
        prices: ``market.session``, all versions.
        spec: axes of the panel.
        as_of: leaves out rows decided later; None keeps all.

    Returns:
        commodity, session (Date), decision_at (UTC), price, log_return (float64, from the session
        before; null unless both prices are positive), realised_variance (float64, of the session;
        null where no bars exist), variance_ewma and variance_long (float64,
        null where the row can be no origin: too little history, or a price at or below zero), one
        float32 column per feature (null where absent) and one ``age_<group>`` column (days) per
        release group.
    """
    kept = rows.filter(pl.col("commodity").is_in(list(spec.commodities)))
    if as_of is not None:
        kept = kept.filter(pl.col("decision_at") <= as_of)
    # No log return starts from a price at or below zero, so no forecast and no lesson does.
    ready = pl.col("ready") & (pl.col("price") > 0)
    return _in_order(with_returns(kept, prices), spec).select(
        "commodity",
        "session",
        "decision_at",
        "price",
        "log_return",
        "realised_variance",
        pl.when(ready).then("variance_ewma").alias("variance_ewma"),
        pl.when(ready).then("variance_long").alias("variance_long"),
        *spec.features,
        *(pl.col(name).fill_null(0.0) for name in _age_columns(spec)),
    )


def panel_from_frame(frame: pl.DataFrame, spec: PanelSpec) -> Panel:
    """A panel of a long frame; its targets are unknown.

    Args:
        frame: columns as ``panel_frame`` returns them, or with session and decision_at as the ISO
            text of an exported file; lines in any order.
        spec: axes of the panel.

    Raises:
        ValueError: a column is missing, a commodity is not in ``spec``, or the lines contradict
            each other; the message says what to change.
    """
    return Panel.from_numpy(spec, **panel_arrays(frame, spec))


def panel_arrays(frame: pl.DataFrame, spec: PanelSpec) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a panel whose targets are unknown, for ``Panel.from_numpy``.

    Raises:
        ValueError: a column is missing or a commodity is not in ``spec``.
    """
    _check_columns(frame, spec)
    frame = _in_order(_parse_dates(frame), spec)
    values = (
        frame.select(pl.col(spec.features).cast(pl.Float32))
        .to_numpy()
        .reshape(len(frame), len(spec.features))
    )
    mask = ~np.isnan(values)
    variance = frame.select("variance_ewma", "variance_long").cast(pl.Float32).to_numpy()
    # A variance too small for these numbers is none: such a row can be no origin.
    ready = (np.nan_to_num(variance) > 0).all(axis=1)
    commodity = _codes(frame, spec)
    session = frame.get_column("session").cast(pl.Date).to_physical().to_numpy()
    decision = frame.get_column("decision_at").dt.epoch("us").to_numpy()
    shape = (len(frame), len(spec.horizons))
    return {
        "commodity_R": commodity,
        "session_R": session,
        "decision_at_R": decision,
        "values_RF": np.where(mask, values, np.float32(0)),
        "mask_RF": mask,
        "age_RG": _ages(frame, spec),
        "variance_R2": np.where(ready[:, None], variance, np.float32(0)),
        "price_R": frame.get_column("price").cast(pl.Float64).to_numpy(),
        "return_R": _absent_as_nan(frame, "log_return"),
        "rv_R": _absent_as_nan(frame, "realised_variance"),
        "ready_R": ready,
        "target_RH": np.zeros(shape, dtype=np.float32),
        "target_mask_RH": np.zeros(shape, dtype=np.bool_),
        "target_available_RH": np.full(shape, NEVER),
        "pos_DC": _positions(commodity, session, decision, len(spec.commodities)),
    }


def _absent_as_nan(frame: pl.DataFrame, name: str) -> npt.NDArray[np.float64]:
    numbers = frame.get_column(name).cast(pl.Float64).fill_null(np.nan).to_numpy()
    # One bit pattern for what is absent, or equal panels would differ in their identity.
    return np.where(np.isnan(numbers), np.nan, numbers)


def _parse_dates(frame: pl.DataFrame) -> pl.DataFrame:
    parsed = {
        "session": pl.col("session").str.to_date("%Y-%m-%d"),
        "decision_at": pl.col("decision_at").str.to_datetime("%+", time_unit="us"),
    }
    texts = [name for name in parsed if frame.schema[name] == pl.String]
    return frame.with_columns(**{name: parsed[name] for name in texts})


def _in_order(frame: pl.DataFrame, spec: PanelSpec) -> pl.DataFrame:
    order = pl.col("commodity").replace_strict(
        list(spec.commodities), range(len(spec.commodities)), return_dtype=pl.Int64
    )
    return frame.sort(order, "session")


def _codes(frame: pl.DataFrame, spec: PanelSpec) -> npt.NDArray[np.int64]:
    code = {name: number for number, name in enumerate(spec.commodities)}
    return np.array([code[name] for name in frame.get_column("commodity")], dtype=np.int64)


def _ages(frame: pl.DataFrame, spec: PanelSpec) -> npt.NDArray[np.float32]:
    shape = (len(frame), len(spec.groups))
    ages = frame.select(pl.col(_age_columns(spec)).cast(pl.Float32).fill_null(0.0))
    return ages.to_numpy().reshape(shape).astype(np.float32)


def _age_columns(spec: PanelSpec) -> list[str]:
    return [f"age_{group}" for group in spec.groups]


def _check_columns(frame: pl.DataFrame, spec: PanelSpec) -> None:
    needed = [*_HEAD, *spec.features, *_age_columns(spec)]
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise ValueError(
            f"panel frame: {len(missing)} column(s) missing: {', '.join(missing[:5])}; "
            f"export it with `cbi panel export` for feature set {spec.feature_set!r}"
        )
    unknown = set(frame.get_column("commodity").to_list()) - set(spec.commodities)
    if unknown:
        raise ValueError(
            f"panel frame: commodities {sorted(map(str, unknown))} are unknown to the model, which "
            f"knows {list(spec.commodities)}; leave their lines out"
        )


def _positions(
    commodity: npt.NDArray[np.int64],
    session: npt.NDArray[np.int32],
    decision: npt.NDArray[np.int64],
    commodities: int,
) -> npt.NDArray[np.int32]:
    """Int32 [D, C]: the newest row of each commodity at each distinct (decision, session).

    Several sessions can share one decision instant; each has a place of its own, in order.
    """
    moments = np.unique(np.column_stack([decision, session.astype(np.int64)]), axis=0)
    newest = np.full((moments.shape[0], commodities), -1, dtype=np.int32)
    rank = {(int(at), int(day)): number for number, (at, day) in enumerate(moments)}
    for row, key in enumerate(zip(decision.tolist(), session.tolist(), strict=True)):
        newest[rank[key], commodity[row]] = row
    newest = np.maximum.accumulate(newest, axis=0)
    decided = decision[newest] if decision.size else newest
    old = moments[:, :1] - decided > ABSENT_AFTER_DAYS * _MICROSECONDS_PER_DAY
    return np.where(old, np.int32(-1), newest)
