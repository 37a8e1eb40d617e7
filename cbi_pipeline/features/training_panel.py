"""The panel a model trains on: feature rows with their targets, as known at an instant."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.features.export import panel_arrays, panel_frame, panel_spec
from cbi_pipeline.features.feature_set import FeatureSet
from cbi_pipeline.forecasting.panel import Panel, PanelSpec


def panel(
    rows: pl.DataFrame,
    targets: pl.DataFrame,
    catalogue: Catalogue,
    feature_set: FeatureSet,
    as_of: datetime,
    *,
    told: Literal["last", "first"] = "last",
) -> Panel:
    """The panel as known at ``as_of``.

    Args:
        rows: ``features.row``; those decided later are left out.
        targets: ``features.target``; one version of each counts, the rest are masked.
        catalogue: commodities and horizons, in panel order.
        feature_set: columns of the rows.
        as_of: aware instant.
        told: which version of a target counts: the newest public at ``as_of``, or the one told
            first. A panel that is looked back on from earlier instants needs the latter: a later
            correction would take the target away from those who knew it before.

    Raises:
        ValueError: fewer than two rows were decided by then.
    """
    spec = panel_spec(catalogue, feature_set)
    arrays = panel_arrays(panel_frame(rows, spec, as_of), spec)
    _place_targets(arrays, known_targets(targets, feature_set, as_of, told=told), spec)
    return Panel.from_numpy(spec, **arrays)


def known_targets(
    targets: pl.DataFrame,
    feature_set: FeatureSet,
    as_of: datetime,
    *,
    told: Literal["last", "first"] = "last",
) -> pl.DataFrame:
    """The last or first version of each target public at ``as_of``, if that version has a value."""
    return (
        targets.filter(pl.col("feature_set") == feature_set.name, pl.col("available_at") <= as_of)
        .sort("commodity", "session", "horizon", "version")
        .unique(["commodity", "session", "horizon"], keep=told, maintain_order=True)
        .filter(pl.col("value").is_not_null())
    )


def _place_targets(
    arrays: dict[str, npt.NDArray[Any]], targets: pl.DataFrame, spec: PanelSpec
) -> None:
    places = pl.DataFrame(
        {
            "code": arrays["commodity_R"],
            "session": arrays["session_R"],
            "row": np.arange(arrays["commodity_R"].shape[0]),
        }
    )
    columns = pl.DataFrame(
        [
            (code, commodity, steps, column)
            for code, commodity in enumerate(spec.commodities)
            for column, steps in enumerate(spec.steps[code])
        ],
        schema=["code", "commodity", "horizon", "column"],
        orient="row",
    )
    placed = (
        targets.join(columns, on=["commodity", "horizon"])
        .with_columns(pl.col("session").to_physical())
        .join(places, on=["code", "session"])
    )
    where = placed.get_column("row").to_numpy(), placed.get_column("column").to_numpy()
    arrays["target_RH"][where] = placed.get_column("value").to_numpy()
    arrays["target_mask_RH"][where] = True
    arrays["target_available_RH"][where] = placed.get_column("available_at").dt.epoch("us")
