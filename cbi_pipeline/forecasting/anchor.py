"""What a network adjusts: a statistical model that was fitted before it, and its forecasts.

The model is fitted on what was public at the newest training row, so it has seen no target that a
network is validated or tested on; from there its own rules carry it forward, row by row. Suffixes:
R rows of a panel, N rows asked for, H horizons, Q quantile levels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from cbi_pipeline.forecasting.config import Json
from cbi_pipeline.forecasting.models.model import Absence, Rows
from cbi_pipeline.forecasting.models.statistical import StatisticalModel, statistical_of_json
from cbi_pipeline.forecasting.panel import Panel


class AnchorRows(NamedTuple):
    """An anchor's forecasts in log returns, beside the rows of a panel and on its device.

    Attributes:
        q_RHQ: float32 quantiles; 0 where there is no forecast.
        up_RH: float32 probability that the return is positive; one half where there is none.
        vol_RH: float32 standard deviation of the return; 1 where there is none.
        has_R: bool, whether a row was asked for and could be forecast.
    """

    q_RHQ: Tensor
    up_RH: Tensor
    vol_RH: Tensor
    has_R: Tensor


@dataclass(frozen=True, eq=False)
class Anchor:
    """A fitted statistical model under a network.

    Attributes:
        model: what forecasts.
        history: by commodity, the newest rows that its forecast from the newest origin reads.
    """

    model: StatisticalModel
    history: Mapping[str, int]

    def absences(self, panel: Panel, rows_N: Rows) -> Sequence[Absence]:
        """Rows that it cannot forecast, by commodity, each with the reason."""
        return self.model.absences(panel, rows_N)

    def forecast(self, panel: Panel, rows_N: Tensor) -> AnchorRows:
        """Its forecasts of the given rows, laid beside the panel; float32, as networks compute."""
        asked = np.unique(rows_N.cpu().numpy())
        absent = [absence.rows for absence in self.absences(panel, asked)]
        rows = np.setdiff1d(asked, np.concatenate(absent)) if absent else asked
        horizons, levels = len(panel.spec.horizons), len(self.model.recipe.levels)
        whole = AnchorRows(
            torch.zeros(panel.rows, horizons, levels),
            torch.full((panel.rows, horizons), 0.5),
            torch.ones(panel.rows, horizons),
            torch.zeros(panel.rows, dtype=torch.bool),
        )
        chosen = torch.from_numpy(rows)
        if rows.size:
            parts = self.model.predict(panel, rows)
            for table, part in zip(whole[:3], parts, strict=True):
                table[chosen] = torch.from_numpy(part).float()
        whole.has_R[chosen] = True
        return AnchorRows(*(table.to(panel.device) for table in whole))

    def to_json(self) -> dict[str, Json]:
        """All of it as a plain tree, which `from_json` reads."""
        return {"model": self.model.to_json(), "history": dict(self.history)}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any], where: str, written_by: object = None) -> Self:
        """The anchor of a tree that `to_json` made.

        Raises:
            ValueError: it says what this version lacks; names where and the writing version.
        """
        return cls(statistical_of_json(tree["model"], where, written_by), tree["history"])

    def fingerprint(self) -> str:
        """The sha256 of all that it says by: equal for equal anchors."""
        return self.model.fingerprint()


def lay_beside(
    anchor: Anchor | None, panel: Panel, *rows: Tensor
) -> tuple[AnchorRows | None, tuple[Tensor, ...]]:
    """An anchor's forecasts of sets of rows, and those of each set that have one.

    Without an anchor the sets stay as they are.
    """
    if anchor is None:
        return None, rows
    beside = anchor.forecast(panel, torch.cat(rows))
    return beside, tuple(own[beside.has_R[own]] for own in rows)
