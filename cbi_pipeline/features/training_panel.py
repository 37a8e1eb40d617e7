"""The panel a model trains on: feature rows with their targets, as known at an instant."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.features.export import panel_arrays, panel_frame, panel_spec
from cbi_pipeline.features.feature_sets import FeatureSet
from cbi_pipeline.forecasting.panel import NEVER, Panel, PanelSpec

_TARGET = ("commodity", "session", "horizon")


def panel(
    rows: pl.DataFrame,
    targets: pl.DataFrame,
    prices: pl.DataFrame,
    catalogue: Catalogue,
    feature_set: FeatureSet,
    as_of: datetime,
) -> Panel:
    """The panel as known at ``as_of``.

    Args:
        rows: feature rows side by side; those decided later are left out.
        targets: ``features.target``, all versions; see `select_public_targets`.
        prices: ``market.session``, all versions.
        catalogue: commodities and horizons, in panel order.
        feature_set: columns of the rows.
        as_of: aware instant.

    Raises:
        ValueError: fewer than two rows were decided by then.
    """
    spec = panel_spec(catalogue, feature_set)
    arrays = panel_arrays(panel_frame(rows, prices, spec, as_of), spec)
    arrays |= _target_arrays(
        select_public_targets(targets, as_of),
        spec,
        arrays["commodity_R"],
        arrays["session_R"],
    )
    return Panel.from_numpy(spec, **arrays)


def with_targets_as_of(panel: Panel, targets: pl.DataFrame, as_of: datetime) -> Panel:
    """The same rows with the targets as last published at ``as_of``; later ones are unknown.

    What a walk-forward learns from at a refit: a correction counts from its own instant on, and
    what was published before it counts until then.

    Args:
        panel: rows, in any state of knowledge of their targets.
        targets: ``features.target``, all versions.
        as_of: aware instant.
    """
    newest = select_public_targets(targets, as_of)
    arrays = _target_arrays(
        newest, panel.spec, panel.commodity_R.cpu().numpy(), panel.session_R.cpu().numpy()
    )
    target_tensors = {name: torch.from_numpy(a).to(panel.device) for name, a in arrays.items()}
    return Panel(spec=panel.spec, **(panel.tensors() | target_tensors))


def select_public_targets(targets: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """The newest version of each target public at ``as_of``, if that version has a value.

    ``available_at`` is when a value of the target was first public: a correction changes what the
    return was, not when its news was out.
    """
    valued = pl.col("value").is_not_null()
    return (
        targets.filter(pl.col("available_at") <= as_of)
        .sort(*_TARGET, "version")
        .with_columns(available_at=pl.col("available_at").filter(valued).min().over(_TARGET))
        .unique(_TARGET, keep="last", maintain_order=True)
        .filter(valued)
    )


def _target_arrays(
    targets: pl.DataFrame,
    spec: PanelSpec,
    commodity: npt.NDArray[np.int64],
    session: npt.NDArray[np.int32],
) -> dict[str, npt.NDArray[Any]]:
    """The target arrays of a panel with these rows."""
    places = pl.DataFrame(
        {"code": commodity, "session": session, "row": np.arange(commodity.shape[0])}
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
    shape = (commodity.shape[0], len(spec.horizons))
    target, mask = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.bool_)
    available = np.full(shape, NEVER)
    where = placed.get_column("row").to_numpy(), placed.get_column("column").to_numpy()
    target[where] = placed.get_column("value").to_numpy()
    mask[where] = True
    available[where] = placed.get_column("available_at").dt.epoch("us")
    return {"target_RH": target, "target_mask_RH": mask, "target_available_RH": available}
