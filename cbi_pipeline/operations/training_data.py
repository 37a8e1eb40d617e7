"""What was known at an instant: the rows, targets and panel that models are trained on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.operations.pipeline import Pipeline
from data_contracts.rights import require_trainable

if TYPE_CHECKING:
    from cbi_pipeline.catalogue import Catalogue
    from cbi_pipeline.features import FeatureSet
    from cbi_pipeline.forecasting import Panel
    from cbi_pipeline.warehouse import Store


@dataclass(frozen=True)
class TrainingData:
    """Everything of a feature set that was public at an instant.

    Attributes:
        as_of: the instant.
        state: hash of the observations behind it.
        rows: feature rows decided by then, all groups side by side.
        targets: ``features.target`` lines public by then, all versions.
        prices: ``market.session`` lines public by then, all versions.
        catalogue: the commodities followed that have history enough to forecast from.
        feature_set: columns of the rows.
    """

    as_of: datetime
    state: str
    rows: pl.DataFrame
    targets: pl.DataFrame
    prices: pl.DataFrame
    catalogue: Catalogue
    feature_set: FeatureSet

    @cached_property
    def panel(self) -> Panel:
        """The same as tensors, each target as last told."""
        import torch

        from cbi_pipeline.features import panel

        # The last bits of a sum depend on how many threads share it; one thread gives the same
        # bits on every machine, and these networks are too small to gain from more.
        torch.set_num_threads(1)
        return panel(
            self.rows, self.targets, self.prices, self.catalogue, self.feature_set, self.as_of
        )

    @property
    def has_origins(self) -> bool:
        """Whether anything at all can be forecast from."""
        return bool(self.rows.select((pl.col("ready") & (pl.col("price") > 0)).any()).item())

    @property
    def as_of_us(self) -> int:
        """The instant in microseconds UTC."""
        return round(self.as_of.timestamp() * 1_000_000)

    def origins(self, rows: list[int]) -> pl.DataFrame:
        """Commodity, session and price of rows of the panel."""
        ordered = pl.concat(
            self.rows.filter(pl.col("commodity") == commodity.id).sort("session")
            for commodity in self.catalogue.commodities
        )
        return ordered.select("commodity", "session", "price")[rows]


def feature_set(catalogue: Catalogue) -> FeatureSet:
    """The feature set that recipes are built on."""
    from cbi_pipeline import features

    return features.feature_set(catalogue)


def followed_series(catalogue: Catalogue) -> list[str]:
    """Series the catalogue and its features depend on, sorted."""
    from cbi_pipeline.features import series_read

    return series_read(catalogue)


def evidence_as_of(pipeline: Pipeline) -> datetime:
    """The instant that walk-forward evidence rests on.

    The start of a run would give the same evidence another name at every look; the newest decision
    instant changes with the rows alone.
    """
    as_of = pipeline.newest_as_of()
    with pipeline.warehouse.read() as store:
        decided = load_origins(store, pipeline)["decision_at"]
    newest = decided.filter(decided <= as_of).max()
    assert newest is None or isinstance(newest, datetime)
    return newest or as_of


def load_origins(store: Store, pipeline: Pipeline) -> pl.DataFrame:
    """Rows of ``features.origin`` that today's catalogue means."""
    from cbi_pipeline.features import read_generations, read_origins

    chosen = feature_set(pipeline.catalogue)
    used = read_generations(store, pipeline.catalogue, chosen, pipeline.now())
    return read_origins(store, used)


def load_training_data(
    pipeline: Pipeline, as_of: datetime, catalogue: Catalogue | None = None
) -> TrainingData:
    """Read what was known at ``as_of`` from the newest published snapshot.

    Args:
        pipeline: where it is read.
        as_of: the instant.
        catalogue: what is read; all that the pipeline follows by default.

    Raises:
        TrainingForbidden: the rights of a followed series forbid training on it.
    """
    from cbi_pipeline.features import read_generations, read_rows

    catalogue = catalogue or pipeline.catalogue
    chosen, series = feature_set(catalogue), followed_series(catalogue)
    with pipeline.warehouse.read() as store:
        rights = dict(store.table("ref.series").select("series_id", "rights").iter_rows())
        require_trainable(series, rights)
        used = read_generations(store, catalogue, chosen, as_of)
        rows = read_rows(store, chosen, used).filter(pl.col("decision_at") <= as_of)
        return TrainingData(
            as_of=as_of,
            state=store.state(as_of, series),
            rows=rows,
            targets=store.table("features.target", "available_at <= ?", [as_of]),
            prices=store.table("market.session", "available_at <= ?", [as_of]),
            catalogue=with_enough_history(catalogue, rows),
            feature_set=used.give_meaning(chosen),
        )


def narrow(data: TrainingData, features: str, pipeline: Pipeline) -> TrainingData:
    """The same of the groups alone that a feature set's name lists, with the state of their series.

    So a model is what it is whatever further groups are read beside its own.
    """
    if features == data.feature_set.name:
        return data
    return load_training_data(pipeline, data.as_of, catalogue_of(features, pipeline.catalogue))


def read_state(pipeline: Pipeline, as_of: datetime, features: str) -> str:
    """State at an instant of the series that a feature set's name lists, with those of prices."""
    series = followed_series(catalogue_of(features, pipeline.catalogue))
    with pipeline.warehouse.read() as store:
        return store.state(as_of, series)


def catalogue_of(features: str, catalogue: Catalogue) -> Catalogue:
    """The catalogue with the groups alone that a feature set's name lists.

    All of it where the name lists none that are still read: an earlier release's, for one.
    """
    from cbi_pipeline.features import named_groups

    named = named_groups(features)
    read = catalogue.select_groups(named or ())
    return read if read.group_names or named == () else catalogue


def with_enough_history(catalogue: Catalogue, rows: pl.DataFrame) -> Catalogue:
    """The catalogue without the commodities that have no row ready to forecast from.

    A series that never came must not stop the others. When no commodity is left the catalogue
    stays whole, and whatever is built on it says what is missing.
    """
    ready = set(rows.filter(pl.col("ready"), pl.col("price") > 0)["commodity"])
    kept = tuple(commodity for commodity in catalogue.commodities if commodity.id in ready)
    return catalogue.model_copy(update={"commodities": kept}) if kept else catalogue
