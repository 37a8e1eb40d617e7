"""How often equal forecasts are called better or worse, and their intervals exclude no skill.

Generated markets as in `benchmarks.markets`: horizons that overlap, and misjudgements of the
volatility that last. A recipe and five naive forecasts misjudge it equally, so that every skill is
zero. The product's own scores judge them.

Run ``python -m benchmarks.verdicts`` (``--quick`` for fewer worlds, ``--json FILE`` or ``--json -``
for one JSON line).
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

from benchmarks.markets import MISJUDGEMENT, Design, Market
from cbi_pipeline.evaluation.groups import group
from cbi_pipeline.evaluation.scores import LEVEL, examine_differences, measure_skill

Floats = npt.NDArray[np.float64]

SEED = 20_261_201
OPPONENTS = tuple(f"naive_{number}" for number in range(5))
WIDTH = 2.0 * float(stats.norm.ppf(0.9))
DESIGNS = (
    Design("one market, two years, misjudgements that last", 1, 104, (1, 4, 13), 0.95),
    Design("one market, three and a half years, the same", 1, 180, (1, 4, 13), 0.95),
    Design("two markets, two years, misjudgements that pass", 2, 104, (1, 4, 13), 0.5),
)


@dataclass
class Count:
    """In how many of some worlds something happened to a recipe that is as good as the others."""

    design: str
    worlds: int = 0
    worse: int = 0
    better: int = 0
    excluded: int = 0

    def rates(self) -> dict[str, object]:
        """Shares of the worlds, and of the intervals one week ahead."""
        shares = {name: getattr(self, name) / self.worlds for name in ("worse", "better")}
        return {
            "design": self.design,
            "worlds": self.worlds,
            **shares,
            "interval_excludes_zero": self.excluded / (self.worlds * len(OPPONENTS)),
        }


def main() -> None:
    """Simulate, print, and write where asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="one design, fewer worlds")
    arguments.add_argument("--json", metavar="FILE", help="write the figures here, - for stdout")
    chosen = arguments.parse_args()
    designs, worlds = (DESIGNS[:1], 120) if chosen.quick else (DESIGNS, 400)
    found = [simulate(design, worlds).rates() for design in designs]
    line = json.dumps({"level": LEVEL, "designs": found})
    if chosen.json and chosen.json != "-":
        Path(chosen.json).write_text(line + "\n")
    sys.stdout.write(line + "\n")


def simulate(design: Design, worlds: int) -> Count:
    """Judge a recipe against five that are exactly as good, in many worlds."""
    rng = np.random.default_rng(SEED)
    count = Count(design.name)
    for _ in range(worlds):
        market = Market.draw(rng, design)
        table = make_table(market, {name: _misjudge(rng, market) for name in ("own", *OPPONENTS)})
        shared = {name: table.filter(pl.col("recipe").is_in(["own", name])) for name in OPPONENTS}
        p_values = [(row[2], row[3]) for row in examine_differences("own", shared)]
        count.worlds += 1
        count.worse += any(name.startswith("p_worse") and p <= LEVEL for name, p in p_values)
        count.better += any(name.startswith("p_better") and p <= LEVEL for name, p in p_values)
        for name, rows in shared.items():
            _, _, low, high, _ = measure_skill(group(rows, "0", "1"), "own", name)
            count.excluded += low is not None and high is not None and not low <= 0.0 <= high
    return count


def make_table(market: Market, scales: dict[str, Floats]) -> pl.DataFrame:
    """The `losses` of forecasts with some standard deviations, with the widths of their bands."""
    table = market.losses({name: market.crps(scale) for name, scale in scales.items()})
    widths = np.concatenate([WIDTH * scale.ravel() for scale in scales.values()])
    return table.with_columns(spread=pl.Series(widths))


def _misjudge(rng: np.random.Generator, market: Market) -> Floats:
    return market.misjudged(rng, MISJUDGEMENT)


if __name__ == "__main__":
    main()
