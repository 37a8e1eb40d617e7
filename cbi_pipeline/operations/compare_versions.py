"""Tonight's version of a recipe, and those before it, against the version that was promoted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cbi_pipeline.operations.champion_forecast import why_not_read
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.train import newest_fold
from cbi_pipeline.operations.training_data import TrainingData, narrow
from data_contracts.core import UTC_MICROSECONDS

if TYPE_CHECKING:
    from cbi_pipeline.evaluation import Refresh
    from cbi_pipeline.forecasting import Forecasts, Model, ModelRecipe, Panel, PanelSpec

# Weeks of what was issued since the promotion that are looked at: enough to see a loss, and no
# more versions to load on a night than a year has weeks.
WEEKS = 52

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class EarlierVersion:
    """A version that reads its own commodities and columns out of today's panel.

    Attributes:
        model: the version.
        panel: today's rows as it reads them.
        row_R: int64, row of today's panel to its own; -1 where it has none.
    """

    model: Model
    panel: Panel
    row_R: Rows

    @property
    def recipe(self) -> ModelRecipe:
        """Its recipe."""
        return self.model.recipe

    def predict(self, panel: Panel, rows: Rows) -> Forecasts:
        """Its forecasts of rows of today's panel."""
        return self.model.predict(self.panel, self.row_R[rows])

    def select_read(self, rows: Rows) -> Rows:
        """Those of some rows of today's panel that it reads."""
        return rows[self.row_R[rows] >= 0]


@dataclass(frozen=True)
class VersionReader:
    """Lets versions read today's panel, whatever panel they were made on.

    Attributes:
        own: what is known now, of the groups that tonight's version reads.
        data: what is known now.
        pipeline: the home.
    """

    own: TrainingData
    data: TrainingData
    pipeline: Pipeline
    _panels: dict[PanelSpec, tuple[Panel, Rows]] = field(default_factory=dict)

    def adapt(self, model: Model) -> EarlierVersion:
        """The version on today's panel; it reads no row of what it was not made for."""
        if model.spec not in self._panels:
            self._panels[model.spec] = self._read(model.spec)
        return EarlierVersion(model, *self._panels[model.spec])

    def _read(self, spec: PanelSpec) -> tuple[Panel, Rows]:
        """Today's panel on other axes, and the row in it of each row of today's own."""
        from cbi_pipeline.features import panel_frame, panel_from_frame

        today = self.own.panel
        if spec == today.spec:
            return today, np.arange(today.rows)
        names = [
            name
            for name in today.spec.commodities
            if why_not_read(spec, name, self.data, self.pipeline) is None
        ]
        if not names:
            return today, np.full(today.rows, -1)
        frame = panel_frame(self.data.rows, self.data.prices, spec, self.data.as_of)
        keys = ["commodity", "session"]
        row_read = pl.when(pl.col("commodity").is_in(names)).then("row_read").cast(pl.Int64)
        joined = self.own.origins(list(range(today.rows))).join(
            frame.select(keys).with_row_index("row_read"),
            on=keys,
            how="left",
            maintain_order="left",
        )
        own_rows = joined.select(row_read.fill_null(-1)).to_series()
        return panel_from_frame(frame, spec), own_rows.to_numpy()


def judge_on_common_rows(
    tonight: Model,
    promoted: Model,
    used: Sequence[tuple[int, datetime]],
    load: Callable[[int], Model | None],
    data: TrainingData,
    pipeline: Pipeline,
) -> Refresh | str:
    """Tonight's version, and those used since the promotion, against the promoted one.

    Tonight's is compared on held-out rows of the commodities that both read, those in use before
    on what they forecast while they were.

    Args:
        tonight: the champion recipe, trained tonight.
        promoted: the version that was promoted.
        used: versions in use since, the promoted one first, each with what was known when it was
            taken into use.
        load: gives a version; None where it cannot be read.
        data: what is known now.
        pipeline: the home.

    Returns:
        The verdict, or why they cannot be compared.
    """
    from cbi_pipeline.evaluation import judge_refresh
    from cbi_pipeline.forecasting import newest_origins

    own = narrow(data, tonight.spec.feature_set, pipeline)
    reader = VersionReader(own, data, pipeline)
    frozen = reader.adapt(promoted)
    if (frozen.row_R < 0).all():
        return "The promoted one cannot read today's panel."
    rows = frozen.select_read(newest_fold(own, learns=False).validation_rows)
    if not own.panel.target_mask_RH[rows].any():
        return "Nothing that both read has a known outcome."
    since = frozen.select_read(select_weekly_rows(own.panel, used[0][1]))
    chain = []
    for number, weeks in split_by_version(own.panel, since, used):
        if (model := load(number)) is not None:
            version = reader.adapt(model)
            if (own_weeks := version.select_read(weeks)).size:
                chain.append((version, own_weeks))
    newest = frozen.select_read(newest_origins(own.panel, own.as_of_us))
    return judge_refresh(tonight, frozen, own.panel, rows, chain, newest)


def select_weekly_rows(panel: Panel, since: datetime) -> Rows:
    """Of each commodity the first ready row of every week after an instant, of the newest year."""
    decided = panel.decision_at_R.cpu().numpy()
    is_after = decided > since.timestamp() * 1_000_000
    after = np.flatnonzero(panel.ready_R.cpu().numpy() & is_after)
    frame = pl.DataFrame(
        {
            "row": after,
            "commodity": panel.commodity_R.cpu().numpy()[after],
            "at": pl.Series(decided[after]).cast(UTC_MICROSECONDS),
        }
    ).with_columns(week=pl.col("at").dt.truncate("1w"))
    first = frame.sort("at").group_by("commodity", "week", maintain_order=True).first()
    newest = first["week"].unique().sort().tail(WEEKS)
    return first.filter(pl.col("week").is_in(newest.to_list()))["row"].sort().to_numpy()


def split_by_version(
    panel: Panel, rows: Rows, used: Sequence[tuple[int, datetime]]
) -> Iterator[tuple[int, Rows]]:
    """The rows that each version forecast: those between its first use and that of the next."""
    starts = np.maximum.accumulate([since.timestamp() * 1_000_000 for _, since in used])
    decided = panel.decision_at_R.cpu().numpy()[rows]
    entry = np.searchsorted(starts, decided, side="left") - 1
    for number, (version, _) in enumerate(used):
        if (entry == number).any():
            yield version, rows[entry == number]
