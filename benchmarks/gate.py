"""How often the gate promotes by mistake, and how large a gain it finds.

Generated markets: weekly origins, overlapping horizons, log volatility that wanders. Forecasts are
normal with the true standard deviation times a persistent misjudgement, so loss differences
overlap and stay correlated beyond the overlap. In the false-promotion runs the champion and every
candidate are equally good, and the naive forecasts so bad that the champion alone stands in the
way: the least favourable case. The decisions are the product's own.

Run ``python benchmarks/gate.py`` (``--quick`` for fewer trials, ``--json FILE`` or ``--json -`` for
one JSON line, ``--markdown FILE`` for the page in the documentation).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

from cbi_pipeline.catalogue import Catalogue, Commodity, EvaluationPlan
from cbi_pipeline.evaluation.gate import LEVEL, judge

Floats = npt.NDArray[np.float64]

SEED = 20_240_614
CANDIDATES = 5
MONDAY = datetime(2015, 1, 5, tzinfo=UTC)
DAILY = 0.02
HOPELESS = 4.0
NAIVE = "naive"
WEEKS_OF_LOOKS = 52


@dataclass(frozen=True, slots=True)
class Design:
    """What a simulated evaluation looks like.

    Attributes:
        name: in words.
        commodities: independent markets.
        weeks: weekly origins per market.
        weeks_ahead: horizons.
        memory: weekly persistence of log volatility and of the misjudgements.
    """

    name: str
    commodities: int
    weeks: int
    weeks_ahead: tuple[int, ...]
    memory: float


DESIGNS = (
    Design("two markets, two years, to a quarter ahead", 2, 104, (1, 4, 13), 0.9),
    Design("the same, misjudgements that last", 2, 104, (1, 4, 13), 0.98),
    Design("nine markets, two years", 9, 104, (1, 4, 13), 0.9),
    Design("two markets, one year, to a month ahead", 2, 52, (1, 4), 0.9),
    Design("thirty markets, one week ahead", 30, 104, (1,), 0.9),
)
MISJUDGEMENT = 0.25
# Standard deviations of the champion's misjudgement against a candidate that has none.
STRENGTHS = (0.0, 0.1, 0.15, 0.2, 0.3, 0.4)
HEADLINE_STRENGTH = 0.3


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happened in a number of trials."""

    design: str
    trials: int
    happened: int

    @property
    def rate(self) -> float:
        """Share of the trials."""
        return self.happened / self.trials

    @property
    def high(self) -> float:
        """Upper end of the exact 95 % interval of the rate."""
        if self.happened == self.trials:
            return 1.0
        return float(stats.beta.ppf(0.975, self.happened + 1, self.trials - self.happened))


@dataclass(frozen=True, slots=True)
class Power:
    """Promotions of a candidate that is truly better."""

    design: str
    strength: float
    skill: float
    promoted: Rate


def main() -> None:
    """Simulate, print, and write where asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="half the trials, one design")
    arguments.add_argument("--trials", type=int, metavar="N", help="campaigns per design")
    arguments.add_argument("--json", metavar="FILE", help="write the figures here, - for stdout")
    arguments.add_argument("--markdown", metavar="FILE", help="write the documentation page here")
    chosen = arguments.parse_args()
    designs = DESIGNS[:1] if chosen.quick else DESIGNS
    trials = chosen.trials or (200 if chosen.quick else 400)
    false = [false_promotions(design, trials) for design in designs]
    if not chosen.quick:
        false.append(weekly_looks(DESIGNS[3], trials // 4))
    power = [
        found
        for design in designs
        for found in power_curve(design, trials // 4, quick=chosen.quick)
    ]
    line = json.dumps(summary(false, power))
    if chosen.json == "-":
        sys.stdout.write(line + "\n")
        return
    if chosen.json:
        Path(chosen.json).write_text(line + "\n")
    page = markdown(false, power)
    if chosen.markdown:
        Path(chosen.markdown).write_text(page)
    print(page)


def false_promotions(design: Design, trials: int) -> Rate:
    """Campaigns of `CANDIDATES` useless candidates in which any one was promoted."""
    rng = np.random.default_rng([SEED, 1])
    promoted = sum(_campaign(rng, design) for _ in range(trials))
    return Rate(design.name, trials, promoted)


def weekly_looks(design: Design, trials: int) -> Rate:
    """Years in which one useless candidate, judged every week anew, was promoted."""
    rng = np.random.default_rng([SEED, 3])
    longer = replace(design, weeks=design.weeks + WEEKS_OF_LOOKS)
    promoted = 0
    for _ in range(trials):
        market = Market.draw(rng, longer)
        both = [market.crps(market.misjudged(rng, MISJUDGEMENT)) for _ in range(2)]
        promoted += any(
            _promoted(
                market, *(one[:, week : week + design.weeks] for one in both), tried=week // 4
            )
            for week in range(WEEKS_OF_LOOKS)
        )
    return Rate(f"{design.name}, judged weekly for a year", trials, promoted)


def power_curve(design: Design, trials: int, *, quick: bool) -> Iterator[Power]:
    """Promotions of a first candidate that knows the volatility, by what the champion misjudges."""
    for strength in (HEADLINE_STRENGTH,) if quick else STRENGTHS:
        rng = np.random.default_rng([SEED, 2])
        promoted, skills = 0, []
        for _ in range(trials):
            market = Market.draw(rng, design)
            champion = market.crps(market.misjudged(rng, strength))
            candidate = market.crps(market.misjudged(rng, 0.0))
            promoted += _promoted(market, champion, candidate, tried=0)
            skills.append(1.0 - candidate.mean(axis=1) / champion.mean(axis=1))
        rate = Rate(design.name, trials, promoted)
        yield Power(design.name, strength, float(np.mean(skills)), rate)


def summary(false: list[Rate], power: list[Power]) -> dict[str, object]:
    """The figures of the JSON line; rate and power are those of the worst design."""
    worst = max(false, key=lambda one: one.rate)
    found = [one for one in power if one.strength == HEADLINE_STRENGTH]
    weakest = min(found, key=lambda one: one.promoted.rate)
    return {
        "false_promotion_rate": worst.rate,
        "false_promotion_rate_high": round(worst.high, 4),
        "level": LEVEL,
        "trials": worst.trials,
        "candidates": CANDIDATES,
        "power": weakest.promoted.rate,
        "power_at_skill": round(weakest.skill, 4),
        "false_promotions": [asdict(one) | {"rate": one.rate} for one in false],
        "power_curve": [asdict(one) | {"rate": one.promoted.rate} for one in power],
    }


def markdown(false: list[Rate], power: list[Power]) -> str:
    """The documentation page."""
    lines = [
        "# The gate's error rates, by simulation",
        "",
        f"Made by `benchmarks/gate.py`. {CANDIDATES} equally good candidates in a row face one "
        "champion on the same origins; a false promotion is any of them promoted. "
        f"Stated level: {LEVEL:.0%}.",
        "",
        "| design | trials | false promotions | 95 % at most |",
        "|---|---|---|---|",
        *(f"| {r.design} | {r.trials} | {r.rate:.1%} | {r.high:.1%} |" for r in false),
        "",
        "A candidate judged weekly counts as another candidate each month.",
        "",
        "How often a first candidate that is truly better is promoted (CRPS skill over the "
        "champion, mean over the cells):",
        "",
        "| design | true skill | promoted |",
        "|---|---|---|",
        *(f"| {p.design} | {p.skill:+.2%} | {p.promoted.rate:.0%} |" for p in power),
        "",
    ]
    return "\n".join(lines)


@dataclass(frozen=True)
class Market:
    """Returns and true standard deviations [cells, weeks] of one simulated evaluation."""

    design: Design
    returns: Floats
    scale: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, design: Design) -> Market:
        """Random walks with wandering volatility."""
        length = design.weeks + max(design.weeks_ahead)
        wandering = _ar1(rng, design.commodities, length, design.memory)
        weekly = DAILY * np.sqrt(5.0) * np.exp(0.3 * wandering)
        shocks = weekly * rng.standard_normal(weekly.shape)
        return cls(design, _ahead(shocks, design), np.sqrt(_ahead(weekly**2, design)))

    def misjudged(self, rng: np.random.Generator, size: float) -> Floats:
        """The true standard deviations times a persistent factor of that size, per cell."""
        cells, weeks = self.scale.shape
        return self.scale * np.exp(size * _ar1(rng, cells, weeks, self.design.memory))

    def crps(self, scale: Floats) -> Floats:
        """CRPS [cells, weeks] of normal forecasts around no change (Gneiting and Raftery, 2007)."""
        y = self.returns / scale
        unit = y * (2.0 * stats.norm.cdf(y) - 1.0) + 2.0 * stats.norm.pdf(y) - 1.0 / np.sqrt(np.pi)
        score: Floats = scale * unit
        return score

    def losses(self, crps: dict[str, Floats]) -> pl.DataFrame:
        """The table that the gate reads."""
        design = self.design
        cells, weeks = next(iter(crps.values())).shape
        cell, week = (index.ravel() for index in np.indices((cells, weeks)))
        ahead = np.array(design.weeks_ahead)[cell % len(design.weeks_ahead)]
        instants = np.array([MONDAY.replace(tzinfo=None) + timedelta(weeks=w) for w in range(200)])
        instants = instants.astype("datetime64[us]")
        shared = pl.DataFrame(
            {
                "commodity": (cell // len(design.weeks_ahead)).astype(str).tolist(),
                "horizon": ahead.astype(str).tolist(),
                "as_of": pl.Series(instants[week]).dt.replace_time_zone("UTC"),
                "known_at": pl.Series(instants[week + ahead]).dt.replace_time_zone("UTC"),
            }
        ).with_columns(week=pl.col("as_of").dt.date())
        return pl.concat(
            [
                shared.with_columns(recipe=pl.lit(name), crps=pl.Series(values.ravel()))
                for name, values in crps.items()
            ]
        )


def _campaign(rng: np.random.Generator, design: Design) -> bool:
    market = Market.draw(rng, design)
    champion = market.crps(market.misjudged(rng, MISJUDGEMENT))
    candidates = (market.crps(market.misjudged(rng, MISJUDGEMENT)) for _ in range(CANDIDATES))
    return any(
        _promoted(market, champion, candidate, tried=tried)
        for tried, candidate in enumerate(candidates)
    )


def _promoted(market: Market, champion: Floats, candidate: Floats, *, tried: int) -> bool:
    hopeless = np.full_like(champion, HOPELESS * champion.mean())
    table = market.losses({"candidate": candidate, "champion": champion, NAIVE: hopeless})
    level = LEVEL / ((tried + 1) * (tried + 2))
    verdict, *_ = judge(table, "candidate", ("champion", NAIVE), _catalogue(market.design), level)
    return verdict == "promote"


def _catalogue(design: Design) -> Catalogue:
    horizons = {str(weeks): 5 * weeks for weeks in design.weeks_ahead}
    return Catalogue(
        commodities=tuple(
            Commodity(
                id=f"c{number}",
                name=f"Market {number}",
                unit="USD",
                price_series=f"S{number}",
                calendar="weekdays",
                sessions_per_year=260,
                horizons=horizons,
                liquid=False,
                stale_after_days=10,
            )
            for number in range(design.commodities)
        ),
        evaluation=EvaluationPlan(years=2, origins=design.weeks, refits="quarterly"),
    )


def _ar1(rng: np.random.Generator, rows: int, length: int, memory: float) -> Floats:
    series = rng.standard_normal((rows, length))
    series[:, 1:] *= np.sqrt(1.0 - memory**2)
    for week in range(1, length):
        series[:, week] += memory * series[:, week - 1]
    return series


def _ahead(weekly: Floats, design: Design) -> Floats:
    """Sums over each horizon: [commodities x horizons, weeks], horizons fastest."""
    sums = np.concatenate([np.zeros((len(weekly), 1)), np.cumsum(weekly, axis=1)], axis=1)
    origin = np.arange(design.weeks)
    parts = [sums[:, origin + ahead] - sums[:, origin] for ahead in design.weeks_ahead]
    return np.stack(parts, axis=1).reshape(-1, design.weeks)


if __name__ == "__main__":
    main()
