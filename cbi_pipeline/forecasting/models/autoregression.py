"""An autoregressive mean of returns, used where the record says that they are predictable."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from cbi_pipeline.forecasting.config import Json
from cbi_pipeline.forecasting.models.model import Floats, Rows
from cbi_pipeline.forecasting.models.returns import PERCENT, Returns

LAGS = 4
FEWEST_RETURNS = 250
# One in twenty records of unpredictable returns exceeds it by chance, but few by so large a share.
NEEDED_T = 1.645
NEEDED_GAIN = 0.02
DIGITS = 6


@dataclass(frozen=True, slots=True)
class ReturnMean:
    """Expected returns of one commodity, from its newest four.

    Attributes:
        coefficients: of the returns, newest first.
        spread: per horizon, the usual miss with this mean as a share of that without any; one where
            the mean is not used.
        is_used: per horizon, whether it is.
    """

    coefficients: tuple[float, ...]
    spread: tuple[float, ...]
    is_used: tuple[bool, ...]

    def expect(self, returns: Returns, rows: Rows, steps: Sequence[int]) -> Floats:
        """Expected log returns over each horizon, zero where the mean is not used; [N, H]."""
        if not any(self.is_used):
            return np.zeros((len(rows), len(steps)))
        count = returns.count_at(rows)
        newest = returns.percent[count[:, None] - 1 - np.arange(LAGS)]
        sums = _accumulate(np.array(self.coefficients), newest, steps)
        expected: Floats = np.where(self.is_used, sums, 0.0) / PERCENT
        return expected

    def to_json(self) -> Json:
        """A plain tree."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def from_json(cls, tree: Any) -> Self:  # noqa: ANN401
        """The mean of such a tree."""
        return cls(*(tuple(tree[name]) for name in ("coefficients", "spread", "is_used")))


def fit_mean(percent: Floats, steps: Sequence[int]) -> ReturnMean | None:
    """The mean of the returns known at a refit; None where they are unpredictable at any horizon.

    The coefficients of the older half forecast the newer half. A horizon uses the mean where that
    lowers the squared error by two percent, and by more than chance does: Diebold and Mariano
    (1995), with Bartlett weights over twice the horizon, at five percent. All returns give the
    coefficients then. These bounds were looked at on the retail gasoline and WTI that ship.

    Args:
        percent: returns over one session, in percent, oldest first.
        steps: sessions ahead, per horizon.
    """
    if len(percent) < FEWEST_RETURNS:
        return None
    half = len(percent) // 2
    older = _regress(percent[:half])
    is_used = tuple(_is_predictable(older, percent[half:], step) for step in steps)
    if not any(is_used):
        return None
    coefficients = np.round(_regress(percent), DIGITS)
    spread = tuple(
        _spread(coefficients, percent, step) if used else 1.0
        for step, used in zip(steps, is_used, strict=True)
    )
    return ReturnMean(tuple(coefficients.tolist()), spread, is_used)


def _regress(percent: Floats) -> Floats:
    """Coefficients of a regression on the four returns before, without a constant."""
    design, target = _stack_lags(percent)[:-1], percent[LAGS:]
    coefficients: Floats = np.linalg.lstsq(design, target, rcond=None)[0].astype(np.float64)
    return coefficients


def _stack_lags(percent: Floats) -> Floats:
    """The newest four returns up to each session from the fourth on, newest first."""
    return np.lib.stride_tricks.sliding_window_view(percent, LAGS)[:, ::-1]


def _accumulate(coefficients: Floats, newest: Floats, steps: Sequence[int]) -> Floats:
    """Expected sums of returns over each horizon, [N, H]."""
    total, sums = np.zeros(len(newest)), {}
    for step in range(1, max(steps) + 1):
        following = newest @ coefficients
        total = total + following
        newest = np.column_stack([following, newest[:, :-1]])
        sums[step] = total
    return np.stack([sums[step] for step in steps], axis=1)


def _misses(coefficients: Floats, percent: Floats, step: int) -> tuple[Floats, Floats]:
    """Returns over so many sessions, and what is left of them beside their mean."""
    total = np.convolve(percent, np.ones(step), "valid")[LAGS:]
    expected = _accumulate(coefficients, _stack_lags(percent)[:-step], [step])[:, 0]
    return total, total - expected


def _is_predictable(coefficients: Floats, percent: Floats, step: int) -> bool:
    total, left = _misses(coefficients, percent, step)
    gain = total**2 - left**2
    centred = gain - gain.mean()
    lags = min(2 * step, len(gain) - 1)
    variance = centred @ centred
    for lag in range(1, lags + 1):
        variance += 2.0 * (1.0 - lag / (lags + 1)) * (centred[lag:] @ centred[:-lag])
    error = np.sqrt(max(variance, centred @ centred)) / len(gain)
    is_large = gain.mean() > NEEDED_GAIN * np.square(total).mean()
    return bool(is_large and gain.mean() > NEEDED_T * error)


def _spread(coefficients: Floats, percent: Floats, step: int) -> float:
    """Mean absolute miss with the mean, as a share of that without; at most one."""
    total, left = _misses(coefficients, percent, step)
    return min(1.0, round(float(np.abs(left).mean() / np.abs(total).mean()), DIGITS))
