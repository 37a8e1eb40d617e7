"""One commodity's returns over one session, in their order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cbi_pipeline.forecasting.models.model import Floats, Rows
from cbi_pipeline.forecasting.panel import Panel

# An optimiser fits best when numbers are of order one.
PERCENT = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class Returns:
    """One commodity's returns over one session, each as known when its own row was decided on.

    A session at or below zero has no return into it and none out of it; what is absent is left out,
    and the returns on both sides follow on each other.

    Attributes:
        row: int64 [N], rows of the panel, ascending.
        decision: int64 [N], their instants, microseconds UTC, non-decreasing.
        percent: float64 [N], log returns in percent.
    """

    row: Rows
    decision: NDArray[np.int64]
    percent: Floats

    @classmethod
    def of(cls, panel: Panel, commodity: str) -> "Returns":
        """The returns of a commodity of the panel."""
        code = panel.spec.commodities.index(commodity)
        returns = panel.return_R.numpy()
        own = panel.commodity_R.cpu().numpy() == code
        row = np.flatnonzero(own & ~np.isnan(returns))
        return cls(row, panel.decision_at_R.cpu().numpy()[row], PERCENT * returns[row])

    def until(self, instant: int) -> Floats:
        """Those whose rows were decided on by an instant (microseconds UTC), [N]."""
        return self.percent[: np.searchsorted(self.decision, instant, side="right")]

    def count_at(self, rows: Rows) -> NDArray[np.int64]:
        """How many of them each row of the panel has behind it, its own included; [rows]."""
        return np.searchsorted(self.row, rows, side="right")
