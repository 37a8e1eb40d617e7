"""Calibration: whole distributions moved by how past ones turned out.

It belongs to a recipe and an instant, travels with each registered version, and is applied to what
the version's model predicts. Suffixes: N origins, H horizons, Q quantile levels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cbi_pipeline.forecasting.models.model import Forecasts

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Move:
    """How the forecasts of one commodity and horizon are moved.

    Attributes:
        width: factor of each quantile's distance from the median, and of the volatility.
        pull: share of the way from the stated chance of a rise to ``base_rate``; below zero away
            from it.
        base_rate: share of past returns that were positive, shrunk to one half.
        independent: past outcomes that share no news, on which all of it rests.
    """

    width: float = 1.0
    pull: float = 0.0
    base_rate: float = 0.5
    independent: int = 0


STAY = Move()


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the forecasts of one recipe are moved.

    Attributes:
        moves: by commodity and sessions ahead; what is not there stays as it is.
    """

    moves: Mapping[str, Mapping[int, Move]] = field(default_factory=dict)

    def apply(
        self,
        forecasts: Forecasts,
        levels: Sequence[float],
        commodities: Sequence[str],
        steps: Sequence[Sequence[int]],
    ) -> Forecasts:
        """Calibrated forecasts.

        Args:
            forecasts: of N origins.
            levels: the Q levels of their quantiles, increasing.
            commodities: N ids, whose forecast each is.
            steps: N lines of H sessions ahead.
        """
        cells = [
            [self.moves.get(name, {}).get(step, STAY) for step in own]
            for name, own in zip(commodities, steps, strict=True)
        ]
        shape = forecasts.up_NH.shape
        width_NH, pull_NH, base_NH = (
            np.array([[getattr(move, part) for move in own] for own in cells]).reshape(shape)
            for part in ("width", "pull", "base_rate")
        )
        return Forecasts(
            move_quantiles(forecasts.q_NHQ, levels, width_NH),
            move_chances(forecasts.up_NH, pull_NH, base_NH),
            forecasts.vol_NH * width_NH,
        )

    def count_independent(self) -> dict[tuple[str, int], int]:
        """Outcomes that share no news, by commodity and sessions ahead."""
        return {
            (name, step): move.independent
            for name, own in self.moves.items()
            for step, move in own.items()
        }

    def describe(self) -> dict[str, object]:
        """The plain tree that `read_calibration` reads as JSON; the same for equal calibrations."""
        return {
            name: {str(step): asdict(move) for step, move in sorted(own.items())}
            for name, own in sorted(self.moves.items())
        }

    def identity(self) -> str:
        """The sha256 of all that it says."""
        return hashlib.sha256(json.dumps(self.describe()).encode()).hexdigest()


def read_calibration(file: Path) -> Calibration:
    """A version's calibration; one that moves nothing where an older version brought none.

    Raises:
        ValueError: the file holds something else.
    """
    if not file.is_file():
        return Calibration()
    try:
        return Calibration(
            {
                name: {int(step): Move(**move) for step, move in own.items()}
                for name, own in json.loads(file.read_text()).items()
            }
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{file} holds no calibration: {error}") from error


def move_quantiles(q_NQ: Floats, levels: Sequence[float] | Floats, width_N: Floats) -> Floats:
    """Quantiles [..., Q] at so many times [...] their distance from the median.

    Where the factor is one not a bit is moved.
    """
    flat_NQ = q_NQ.reshape(-1, q_NQ.shape[-1])
    centre_N = find_medians(flat_NQ, levels)
    factor_N = width_N.reshape(-1, 1)
    moved_NQ = centre_N[:, None] + factor_N * (flat_NQ - centre_N[:, None])
    kept_NQ: Floats = np.where(factor_N == 1.0, flat_NQ, moved_NQ)
    return kept_NQ.reshape(q_NQ.shape)


def find_medians(q_NQ: Floats, levels: Sequence[float] | Floats) -> Floats:
    """The median of each distribution, [N], by linear interpolation between its quantiles."""
    return np.array([np.interp(0.5, levels, row) for row in q_NQ], dtype=np.float64)


def move_chances(up_N: Floats, pull_N: Floats, base_N: Floats) -> Floats:
    """Chances of a rise moved by a share of the way to the base rate, within zero and one.

    Where the share is zero not a bit is moved.
    """
    moved_N: Floats = np.clip(up_N + pull_N * (base_N - up_N), 0.0, 1.0)
    return np.where(pull_N == 0.0, up_N, moved_N)
