"""Distributions tabulated by the variance that they start from."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from cbi_pipeline.forecasting.config import Json
from cbi_pipeline.forecasting.models.model import Floats, Rows


@dataclass(frozen=True, slots=True, eq=False)
class QuantileTable:
    """Distribution of the return over each horizon, in its own standard deviations.

    In these units the shape hardly depends on the variance at the start, and tends to a limit
    towards both ends; so it is interpolated linearly between neighbouring variances and held
    constant outside them. Interpolation is a mean of two distributions: quantiles never cross.

    Suffixes: V variances, H horizons, Q quantile levels.

    Attributes:
        variance_V: of the session after the origin, increasing.
        units_HVQ: quantiles in standard deviations of the return over the horizon.
        up_HV: probability that the return is positive.
    """

    variance_V: Floats
    units_HVQ: Floats
    up_HV: Floats

    def look_up(self, variance_N: Floats) -> tuple[Floats, Floats]:
        """Quantiles [N, H, Q] in standard deviations and probabilities of a rise [N, H]."""
        position_N = np.interp(variance_N, self.variance_V, np.arange(len(self.variance_V)))
        low_N = np.minimum(position_N.astype(np.int64), len(self.variance_V) - 2)
        share_N = position_N - low_N
        return (
            _between(self.units_HVQ.swapaxes(0, 1), low_N, share_N[:, None, None]),
            _between(self.up_HV.T, low_N, share_N[:, None]),
        )

    def to_json(self) -> Json:
        """A plain tree."""
        return {
            "variances": self.variance_V.tolist(),
            "units": self.units_HVQ.tolist(),
            "up": self.up_HV.tolist(),
        }

    @classmethod
    def from_json(cls, tree: Any) -> Self:  # noqa: ANN401
        """The table of such a tree."""
        return cls(*(np.array(tree[name]) for name in ("variances", "units", "up")))


def _between(table_V: Floats, low_N: Rows, share: Floats) -> Floats:
    mixed: Floats = (1.0 - share) * table_V[low_N] + share * table_V[low_N + 1]
    return mixed
