"""What calibration makes of forecasts that are right, too narrow, or overtaken by a crash.

Generated markets of 26 years, forecast each week for 1, 4 and 13 weeks ahead; the product's own
`calibrate` moves the forecasts. Every figure is a mean over markets.

Run ``python -m benchmarks.calibration`` (``--quick`` for fewer markets, ``--json FILE`` or
``--json -`` for one JSON line).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

from cbi_pipeline.evaluation import calibrate
from cbi_pipeline.evaluation.losses import crps
from cbi_pipeline.forecasting import DEFAULT_LEVELS
from data_contracts.evaluation import FORECAST
from data_contracts.features import TARGET

Floats = npt.NDArray[np.float64]

SEED = 20_261_201
WEEKS, HORIZONS = 52 * 26, (1, 4, 13)
LEVELS = np.array(DEFAULT_LEVELS)
START = date(1994, 1, 5)
VOLATILITY = 0.03
ALPHA, BETA, DECAY = 0.08, 0.90, 0.94
CRASH, CRASH_WEEKS, CRASH_FACTOR = WEEKS // 2, 20, 4.0
# Outcomes that share no news: by the first half of the shortfall is to be mended, after the second
# the bands are to hold what they say.
EARLY, LATE, STRETCH = 20, 60, 10
MARKETS_AT_ONCE = 4


@dataclass(frozen=True)
class Found:
    """Means over the markets of one kind, at one horizon.

    Attributes:
        kind: of market.
        weeks_ahead: of the forecasts.
        markets: how many.
        coverage: of 80 % bands, over the outcomes after the sixtieth that shares no news.
        plain: the same of the forecasts as they were.
        further: by how much more than theirs the coverage of calibrated bands missed 80 % before
            the sixtieth, in the worst stretch of ten.
        mended: share of the shortfall that was mended by the twentieth.
        cost: CRPS over that of the forecasts as they were, minus one, from the first day.
        width: of the bands a year after the crash, over that of the forecasts as they were.
    """

    kind: str
    weeks_ahead: int
    markets: int
    coverage: float
    plain: float
    further: float
    mended: float | None
    cost: float
    width: float


def draw_iid(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Weekly returns of one market, and the weekly standard deviation stated at each origin."""
    return _shocks(rng) * VOLATILITY, np.full(WEEKS, VOLATILITY)


def draw_narrow(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The same, 30 % too narrow as stated."""
    returns, stated = draw_iid(rng)
    return returns, 0.7 * stated


def draw_crash(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The same as `draw_iid`, with twenty weeks of four times the volatility that nobody stated."""
    returns, stated = draw_iid(rng)
    returns[CRASH : CRASH + CRASH_WEEKS] *= CRASH_FACTOR
    return returns, stated


def draw_garch(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """GARCH(1,1) returns, forecast by their exponentially weighted mean square."""
    shocks, level = _shocks(rng), VOLATILITY**2
    returns, stated = np.empty(len(shocks)), np.empty(len(shocks))
    variance = ewma = level
    for week, shock in enumerate(shocks):
        stated[week] = np.sqrt(ewma)
        returns[week] = np.sqrt(variance) * shock
        variance = (1.0 - ALPHA - BETA) * level + ALPHA * returns[week] ** 2 + BETA * variance
        ewma = DECAY * ewma + (1.0 - DECAY) * returns[week] ** 2
    return returns, stated[:WEEKS]


KINDS: dict[str, Callable[[np.random.Generator], tuple[Floats, Floats]]] = {
    "iid": draw_iid,
    "garch": draw_garch,
    "narrow": draw_narrow,
    "crash": draw_crash,
}


def main() -> None:
    """Simulate, print, and write where asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="fewer markets, one week ahead")
    arguments.add_argument("--json", metavar="FILE", help="write the figures here, - for stdout")
    chosen = arguments.parse_args()
    markets, horizons = (12, HORIZONS[:1]) if chosen.quick else (200, HORIZONS)
    found = [asdict(one) for kind in KINDS for one in simulate(kind, markets, horizons)]
    line = json.dumps({"found": found})
    if chosen.json and chosen.json != "-":
        Path(chosen.json).write_text(line + "\n")
    sys.stdout.write(line + "\n")


def simulate(kind: str, markets: int, horizons: tuple[int, ...]) -> Iterator[Found]:
    """What becomes of the forecasts of some markets of one kind."""
    rng = np.random.default_rng(SEED)
    drawn = [KINDS[kind](rng) for _ in range(markets)]
    for ahead in horizons:
        parts = [
            _measure(drawn[first : first + MARKETS_AT_ONCE], ahead)
            for first in range(0, markets, MARKETS_AT_ONCE)
        ]
        yield _summarise(kind, ahead, np.concatenate(parts, axis=1))


def _measure(drawn: list[tuple[Floats, Floats]], ahead: int) -> Floats:
    """[6, C, W]: covered, CRPS and band's width of the forecasts as they were and calibrated."""
    sums = np.stack([np.concatenate([[0.0], np.cumsum(returns)]) for returns, _ in drawn])
    y_CW = sums[:, ahead : WEEKS + ahead] - sums[:, :WEEKS]
    scale_CW = np.stack([stated for _, stated in drawn]) * np.sqrt(ahead)
    q_CWQ = scale_CW[..., None] * stats.norm.ppf(LEVELS)
    forecasts, targets = _tabulate(q_CWQ, scale_CW, y_CW, ahead)
    moved = calibrate(forecasts, targets).sort("commodity", "origin_session", "quantile")
    moved_CWQ = moved["value"].to_numpy().reshape(q_CWQ.shape)
    return np.stack([*_judge(q_CWQ, y_CW), *_judge(moved_CWQ, y_CW)])


def _judge(q_CWQ: Floats, y_CW: Floats) -> tuple[Floats, Floats, Floats]:
    low, high = (q_CWQ[..., level == LEVELS][..., 0] for level in (0.1, 0.9))
    losses = crps(q_CWQ.reshape(-1, len(LEVELS)), LEVELS, y_CW.ravel()).reshape(y_CW.shape)
    return ((low <= y_CW) & (y_CW <= high)).astype(np.float64), losses, high - low


def _summarise(kind: str, ahead: int, figures: Floats) -> Found:
    plain, plain_crps, plain_width, moved, moved_crps, moved_width = figures
    late = slice((LATE + 1) * ahead, None)
    early = slice((EARLY - STRETCH // 2) * ahead, (EARLY + STRETCH // 2) * ahead)
    year_after = CRASH + CRASH_WEEKS + 52
    misses = [
        abs(moved[:, part].mean() - 0.8) - abs(plain[:, part].mean() - 0.8)
        for first in range(0, LATE, STRETCH)
        if (part := slice(first * ahead, (first + STRETCH) * ahead))
    ]
    shortfall = 0.8 - plain[:, early].mean()
    return Found(
        kind=kind,
        weeks_ahead=ahead,
        markets=figures.shape[1],
        coverage=float(moved[:, late].mean()),
        plain=float(plain[:, late].mean()),
        further=float(max(misses)),
        mended=float((moved[:, early].mean() - plain[:, early].mean()) / shortfall)
        if kind == "narrow"
        else None,
        cost=float(moved_crps.mean() / plain_crps.mean() - 1.0),
        width=float((moved_width[:, year_after] / plain_width[:, year_after]).mean()),
    )


def _tabulate(
    q_CWQ: Floats, scale_CW: Floats, y_CW: Floats, ahead: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The forecasts and what followed as the product's own tables."""
    markets, count = q_CWQ.shape[0], WEEKS * len(LEVELS)
    ids = pl.Series([f"market_{c}" for c in range(markets)])
    origins = pl.Series([START + timedelta(weeks=week) for week in range(WEEKS)])
    instants = pl.Series([_midnight(day) for day in origins], dtype=FORECAST.dtypes["as_of"])
    c_N, w_N = (index.ravel() for index in np.indices((markets, WEEKS)))
    c_L, w_L = np.repeat(c_N, len(LEVELS)), np.repeat(w_N, len(LEVELS))
    forecasts = pl.DataFrame(
        {
            **dict.fromkeys(("evaluation_id", "recipe"), "stated"),
            "fold": START.isoformat(),
            "commodity": ids.gather(c_L),
            "origin_session": origins.gather(w_L),
            "horizon": np.full(markets * count, 5 * ahead),
            "quantile": np.tile(LEVELS, markets * WEEKS),
            "as_of": instants.gather(w_L),
            "value": q_CWQ.ravel(),
            "up": 0.5,
            "volatility": np.repeat(scale_CW.ravel(), len(LEVELS)),
            "origin_price": 100.0,
        }
    ).select(list(FORECAST.dtypes))
    ends = pl.Series([day + timedelta(weeks=ahead) for day in origins])
    public = pl.Series([_midnight(day) for day in ends], dtype=TARGET.dtypes["available_at"])
    targets = pl.DataFrame(
        {
            "commodity": ids.gather(c_N),
            "session": origins.gather(w_N),
            "horizon": np.full(len(c_N), 5 * ahead),
            "target_session": ends.gather(w_N),
            "version": np.ones(len(c_N), dtype=np.int64),
            "value": y_CW.ravel(),
            "target_price": 100.0 * np.exp(y_CW.ravel()),
            "available_at": public.gather(w_N),
        }
    )
    return forecasts, targets


def _shocks(rng: np.random.Generator) -> Floats:
    return rng.standard_normal(WEEKS + max(HORIZONS))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


if __name__ == "__main__":
    main()
