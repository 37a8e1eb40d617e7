"""The way ahead of a GARCH, worked out by numerical integration over one shock after another.

The distribution function of the return over h sessions from a variance v follows from that over
h - 1 sessions, by the law of total probability over the first shock z:

    F_h(x; v) = E[F_(h-1)(x - sqrt(v) z; omega + (alpha + gamma [z < 0]) v z^2 + beta v)]

It is held on a lattice of returns and variances as normal scores, which are nearly straight lines:
interpolated to the third order they are right to 0.01 % of a band's width, and the same on every
machine to more digits than are kept. No random number is drawn. Suffixes: V variances, K shocks,
X returns, Q levels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import ndtr, ndtri, stdtr
from scipy.stats import t

from cbi_pipeline.forecasting.models.garch import Parameters
from cbi_pipeline.forecasting.models.model import Floats, Rows
from cbi_pipeline.forecasting.models.quantile_table import QuantileTable

VARIANCES = 33
# The variances of the table reach beyond those of the record by this factor.
REACH = 4.0
DIGITS = 6
"""Significant digits that a model keeps, fewer than an optimiser or a library may differ in."""

# Returns of the lattice, in standard deviations, evenly spaced in their inverse hyperbolic sine.
RETURNS, FARTHEST = 91, 60.0
_SPACING = 2.0 * np.arcsinh(FARTHEST) / (RETURNS - 1)
# Nodes of the Gauss-Legendre rule on each side of zero, where the leverage term has its kink; what
# lies beyond this probability is left out.
NODES, TAIL = 20, 1e-9
# Keeps normal scores finite, far outside any quantile that is asked for.
_SMALLEST = 1e-14
# Points between two returns at which the score's spline is inverted.
_FINE = 40


def tabulate(
    equation: Parameters, variances: Floats, steps: Sequence[int], levels: Sequence[float]
) -> QuantileTable:
    """Quantiles over each horizon on 33 log-spaced variances that span the given ones.

    Args:
        equation: of percent returns.
        variances: of the record, filtered.
        steps: sessions ahead, per horizon.
        levels: of the quantiles, increasing.
    """
    ends = float(variances.min()) / REACH, float(variances.max()) * REACH
    return _tabulate_once(equation, ends, tuple(steps), tuple(levels))


@lru_cache(maxsize=512)
def _tabulate_once(
    equation: Parameters,
    ends: tuple[float, float],
    steps: tuple[int, ...],
    levels: tuple[float, ...],
) -> QuantileTable:
    """What `tabulate` returns; the same table is asked for by whatever contains the model."""
    variance_V = np.array([round_digits(v) for v in np.geomspace(*ends, VARIANCES).tolist()])
    walked = dict(enumerate(_Lattice.of(equation, variance_V).walk(max(steps)), start=1))
    symmetric = equation.gamma == 0.0
    units: Floats = np.stack([_invert(walked[n], levels, symmetric=symmetric) for n in steps])
    rises = [np.round(1.0 - ndtr(walked[step][:, RETURNS // 2]), DIGITS) for step in steps]
    up: Floats = np.full((len(steps), VARIANCES), 0.5) if symmetric else np.stack(rises)
    return QuantileTable(variance_V, units, up)


def round_digits(value: float) -> float:
    """A number to six significant digits."""
    return float(f"{value:.{DIGITS}g}")


@dataclass(frozen=True, slots=True, eq=False)
class _Lattice:
    """What stays the same from one session to the next.

    Attributes:
        equation: of percent returns.
        variance_V: of the first session.
        shock_K: of unit variance.
        weight_K: their probabilities.
        next_VK: variance of the session after each shock.
        mixing: [V K, V] weights that interpolate from the lattice's variances to those.
    """

    equation: Parameters
    variance_V: Floats
    shock_K: Floats
    weight_K: Floats
    next_VK: Floats
    mixing: Floats

    @classmethod
    def of(cls, equation: Parameters, variance_V: Floats) -> _Lattice:
        """The lattice of a variance equation."""
        shock, weight = _shocks(equation.degrees)
        leverage = equation.alpha + equation.gamma * (shock < 0.0)
        following = equation.omega + (leverage * shock**2 + equation.beta) * variance_V[:, None]
        logs = np.log(variance_V)
        position = (np.log(following).ravel() - logs[0]) / (logs[-1] - logs[0]) * (len(logs) - 1)
        first, shares = _cubic(position, len(logs))
        mixing = np.zeros((len(position), len(logs)))
        np.put_along_axis(mixing, first[:, None] + np.arange(4), np.stack(shares, axis=1), axis=1)
        return cls(equation, variance_V, shock, weight, following, mixing)

    def walk(self, sessions: int) -> Iterator[Floats]:
        """Normal scores [V, X] of the distribution function over 1, 2, ... sessions."""
        unit = np.sqrt((self.equation.degrees - 2.0) / self.equation.degrees)
        score = _score(stdtr(self.equation.degrees, _returns() / unit))
        score = np.tile(score, (len(self.variance_V), 1))
        yield score
        for ahead in range(2, sessions + 1):
            score = self._step(score, ahead)
            yield score

    def _step(self, score: Floats, ahead: int) -> Floats:
        """Scores over so many sessions, from those over one less."""
        whole = np.sqrt(self.equation.expect(self.variance_V, ahead))[:, None, None]
        rest = np.sqrt(self.equation.expect(self.next_VK, ahead - 1))[..., None]
        shock = np.sqrt(self.variance_V)[:, None, None] * self.shock_K[:, None]
        left = (whole * _returns() - shock) / rest
        position = (np.arcsinh(left.reshape(-1, RETURNS))) / _SPACING + (RETURNS - 1) / 2
        first, shares = _cubic(position, RETURNS)
        mixed = self.mixing @ score
        flat = mixed.ravel()
        first += np.arange(len(mixed))[:, None] * RETURNS
        scores = sum(share * flat[first + n] for n, share in enumerate(shares))
        below = ndtr(scores).reshape(left.shape)
        return _score(np.einsum("vkx,k->vx", below, self.weight_K))


def _returns() -> Floats:
    """Returns of the lattice in standard deviations, [X]; zero is the middle one."""
    numbers = np.arange(RETURNS) - (RETURNS - 1) / 2
    returns: Floats = np.sinh(numbers * _SPACING)
    return returns


def _shocks(degrees: float) -> tuple[Floats, Floats]:
    """Student-t shocks of unit variance and their weights, [K]; the rule runs over their asinh."""
    unit = np.sqrt((degrees - 2.0) / degrees)
    reach = np.arcsinh(-t.ppf(TAIL, degrees) * unit)
    node, weight = np.polynomial.legendre.leggauss(NODES)
    position = (node + 1.0) / 2.0 * reach
    shock = np.sinh(position)
    weight = weight * np.cosh(position) * t.pdf(shock / unit, degrees)
    both = np.concatenate([weight[::-1], weight])
    return np.concatenate([-shock[::-1], shock]), both / both.sum()


def _cubic(position: Floats, count: int) -> tuple[Rows, list[Floats]]:
    """Lagrange's interpolation among evenly spaced values, constant outside them.

    Returns:
        The first of four neighbours, and the weight of each, all shaped as ``position``.
    """
    inside = np.clip(position, 0.0, count - 1.0)
    first = np.clip(inside.astype(np.int64) - 1, 0, count - 4)
    f0 = inside - first
    f1, f2, f3 = f0 - 1.0, f0 - 2.0, f0 - 3.0
    return first, [-f1 * f2 * f3 / 6.0, f0 * f2 * f3 / 2.0, -f0 * f1 * f3 / 2.0, f0 * f1 * f2 / 6.0]


def _score(probability: Floats) -> Floats:
    score: Floats = ndtri(np.clip(probability, _SMALLEST, 1.0 - _SMALLEST))
    return score


def _invert(score_VX: Floats, levels: Sequence[float], *, symmetric: bool) -> Floats:
    """Quantiles in standard deviations, [V, Q]; where the law is symmetric they are to the bit."""
    numbers = np.linspace(0.0, RETURNS - 1.0, _FINE * (RETURNS - 1) + 1)
    scores = CubicSpline(np.arange(RETURNS), score_VX.T)(numbers).T
    returns = np.sinh((numbers - (RETURNS - 1) / 2) * _SPACING)
    level_Q = np.array(levels)
    asked = ndtri(np.maximum(level_Q, 1.0 - level_Q)) if symmetric else ndtri(level_Q)
    units = np.stack([np.interp(asked, row, returns) for row in scores])
    if symmetric:
        units = np.where(level_Q == 0.5, 0.0, np.sign(level_Q - 0.5) * units)
    rounded: Floats = np.round(units, DIGITS)
    return rounded
