"""The frame a registered model takes and gives: columns, types, and the example it carries.

In: the long panel frame, one line per commodity and session, in types that CSV, JSON and Parquet
keep alike: text and doubles. Out: one line per commodity, horizon and quantile.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import ModelSignature

    from cbi_pipeline.forecasting import Model, PanelSpec

#: Rows that a panel has at least.
_FEWEST = 2
# Column, MLflow type, meaning.
_FIXED = (
    ("commodity", "string", "commodity id"),
    ("session", "string", "session of the price, an ISO day"),
    ("decision_at", "string", "instant at which the row was knowable, ISO, UTC where no offset"),
    ("price", "double", "price of the session as known then"),
    ("log_return", "double", "log return from the session before as known then, NaN when unknown"),
    ("realised_variance", "double", "realised variance of the session, NaN where no bars exist"),
    ("variance_ewma", "double", "EWMA(0.97) one-session log-return variance, NaN when unknown"),
    ("variance_long", "double", "expanding mean of squared log returns, NaN when unknown"),
)
OUTPUT = (
    ("commodity", "string", "commodity id"),
    ("horizon", "long", "sessions ahead of the origin session"),
    ("quantile", "double", "level of the quantile"),
    ("price", "double", "price at that level, in the unit of the input price"),
    ("return", "double", "log return at that level"),
    ("up", "double", "probability that the return is positive"),
    ("volatility", "double", "standard deviation of the log return over the horizon"),
    ("origin_session", "datetime", "newest session of the commodity in the frame"),
    ("target_session", "datetime", "session forecast"),
)


#: An example of more rows is one commodity's.
LONG_EXAMPLE = 1000


def columns(spec: PanelSpec) -> tuple[tuple[str, str, str], ...]:
    """Name, MLflow type and meaning of each input column, in order."""
    features = ((name, "double", "feature, NaN where absent") for name in spec.features)
    ages = (
        (f"age_{group}", "double", "days since the group's newest value became public")
        for group in spec.groups
    )
    return (*_FIXED, *features, *ages)


def signature(spec: PanelSpec) -> ModelSignature:
    """The model signature; MLflow names a missing column or a wrong type when it refuses."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    return ModelSignature(
        inputs=Schema([ColSpec(kind, name) for name, kind, _ in columns(spec)]),
        outputs=Schema([ColSpec(kind, name) for name, kind, _ in OUTPUT]),
    )


def model_input(panel_frame: pl.DataFrame, spec: PanelSpec) -> pd.DataFrame:
    """The pandas frame a registered model takes, from the polars panel frame.

    Args:
        panel_frame: long panel frame; ``decision_at`` carries a zone or is UTC.
        spec: axes of the model.

    Raises:
        ValueError: the columns are not those of the model; names each one.
    """
    _check_columns(panel_frame, spec)
    return cast_frame(panel_frame, input_types(spec)).to_pandas()


def input_types(spec: PanelSpec) -> dict[str, str]:
    """MLflow type of each input column that versions registered now take, in order."""
    return {name: kind for name, kind, _ in columns(spec)}


def cast_frame(panel_frame: pl.DataFrame, types: Mapping[str, str]) -> pl.DataFrame:
    """The columns of a panel frame in the types of a version's signature; no number changes.

    Args:
        panel_frame: long panel frame; ``decision_at`` carries a zone or is UTC.
        types: MLflow type of each column, as :func:`input_types` or a stored version gives it.
    """
    return panel_frame.select(
        _cast(name, kind, panel_frame.schema[name]) for name, kind in types.items()
    )


def choose_example(newest: pl.DataFrame, model: Model) -> pl.DataFrame:
    """Rows that stand in a version as its example: all that it reads, or of one commodity alone.

    Whole records of all commodities in every version would fill disks: where there are more rows
    than `LONG_EXAMPLE`, those of the commodity with fewest stand for all. A joint model takes no
    less than all.

    Args:
        newest: as `select_newest` gives them.
        model: of the version.
    """
    if model.is_joint or len(newest) <= LONG_EXAMPLE:
        return newest
    counts = newest.group_by("commodity").len().sort("len", "commodity")
    return newest.filter(commodity=counts["commodity"][0])


def select_newest(panel_frame: pl.DataFrame, model: Model) -> pl.DataFrame:
    """The rows that a forecast from the newest origin of each commodity reads, in panel order.

    That is as many of the newest rows of each commodity as the model's ``history`` counts, up to
    its newest row that can be an origin, with known variances and a positive price; for a joint
    model, which looks at all commodities side by side at each decision, those before the earliest
    of these sessions as well.

    Raises:
        ValueError: the columns are not those of the model, or a commodity of the model has fewer
            rows than that.
    """
    spec = model.spec
    _check_columns(panel_frame, spec)
    usable = pl.all_horizontal(pl.col("variance_ewma", "variance_long", "price") > 0)
    newest = pl.col("session").filter(usable.fill_null(value=False)).max().over("commodity")
    ordered = panel_frame.filter(pl.col("session") <= newest).sort(
        pl.col("commodity").replace_strict(spec.commodities, range(len(spec.commodities))),
        "session",
    )
    history = dict(model.history)
    read = pl.col("commodity").replace_strict(history, return_dtype=pl.Int64)
    if len(spec.commodities) == 1:  # one row alone makes no panel
        read = pl.max_horizontal(read, pl.lit(_FEWEST))
    if model.is_joint:
        read = read + _later_than_earliest_origin(ordered).over("commodity")
    age = pl.int_range(pl.len(), 0, -1).over("commodity")
    taken = ordered.filter(age <= read)
    _check_history(taken, history)
    return taken


def _later_than_earliest_origin(ordered: pl.DataFrame) -> pl.Expr:
    origins = ordered.group_by("commodity").agg(pl.col("decision_at", "session").last())
    decision, session = origins.sort("decision_at", "session").row(0)[1:]
    same = pl.col("decision_at") == decision
    later: pl.Expr = (pl.col("decision_at") > decision) | (same & (pl.col("session") > session))
    return later.sum()


def _check_columns(panel_frame: pl.DataFrame, spec: PanelSpec) -> None:
    wanted = [name for name, _, _ in columns(spec)]
    missing = [name for name in wanted if name not in panel_frame.columns]
    unknown = [name for name in panel_frame.columns if name not in wanted]
    if missing or unknown:
        raise ValueError(
            f"the panel frame does not fit feature set {spec.feature_set!r}: "
            f"missing {missing}, unknown {unknown}"
        )


def _check_history(taken: pl.DataFrame, history: Mapping[str, int]) -> None:
    rows = dict(taken.group_by("commodity").len().iter_rows())
    for commodity, needed in history.items():
        if rows.get(commodity, 0) < needed:
            raise ValueError(
                f"{commodity} has {rows.get(commodity, 0)} rows, the model reads {needed}; "
                f"register it on a longer panel"
            )


def _cast(name: str, kind: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if kind == "datetime":
        # Versions registered earlier take instants, and MLflow takes those without a zone alone.
        return (_utc(column, dtype) if _has_zone(dtype) else column).cast(pl.Datetime("us"))
    if kind == "string" and isinstance(dtype, pl.Datetime):
        return _utc(column, dtype).dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
    return column.cast({"string": pl.String, "double": pl.Float64, "float": pl.Float32}[kind])


def _utc(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    converted = column.dt.convert_time_zone(str(UTC)) if _has_zone(dtype) else column
    return converted.dt.replace_time_zone(None)


def _has_zone(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
