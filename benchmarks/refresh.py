"""How often an honest refresh passes, and how far planted losses get before they are stopped.

Generated markets: returns with wandering volatility, known to no version exactly. Each night a
version is made anew, judged by the product's own rule against the promoted one, and taken into use
where it is accepted; later nights see what it forecast while it was. An honest version misjudges
the scale of each cell by an amount that wanders as much as the promoted one's does. A planted loss
starts from the version in use and worsens a little every night: in scale by cell, so that the
bands of all cells together still hold 80 %; in every cell alike; in the median; or on no row that
is held out. The loss of a
version is its expected CRPS over that of the promoted one, in closed form.

Run ``python -m benchmarks.refresh`` (``--quick`` for fewer nights, ``--json FILE`` or ``--json -``
for one JSON line, ``--markdown FILE`` for the page in the documentation).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

from cbi_pipeline.evaluation.refresh import (
    CRPS_MARGIN,
    NEW,
    PROMOTED,
    Distance,
    judge_losses,
)

Floats = npt.NDArray[np.float64]

SEED = 20_261_130
MONDAY = datetime(2015, 1, 5)
COMMODITIES = ("a", "b")
WEEKS_AHEAD = (1, 4, 13)
CELLS = len(COMMODITIES) * len(WEEKS_AHEAD)
# Weekly rows held out of a night's training: 15 % of 13 years.
HELD_OUT = 104
NIGHTS_A_WEEK = 5
# How much an honest version misjudges the scale of a cell, and how long that lasts, in nights.
MISJUDGEMENT, MEMORY = 0.05, 0.99
STEP = 0.02
LIMIT = 0.03
REACH = float(stats.norm.ppf(0.9))


@dataclass(frozen=True, slots=True)
class Version:
    """Forecasts as log scale and median, in true standard deviations, of each cell."""

    scale: Floats
    median: Floats

    def loss(self) -> Floats:
        """Expected CRPS of each cell where returns are standard normal; shape [cells]."""
        return self.cost_under(Version(np.zeros(CELLS), np.zeros(CELLS)))

    def cost_under(self, other: Version) -> Floats:
        """Expected CRPS of each cell where returns are as another version says; shape [cells].

        E|X - Y| - E|X - X'| / 2 (Gneiting and Raftery, 2007), X forecast and Y outcome.
        """
        width = np.exp(self.scale)
        spread = np.sqrt(np.exp(other.scale) ** 2 + width**2)
        ratio = (self.median - other.median) / spread
        apart = spread * (2.0 * stats.norm.pdf(ratio) + ratio * (2.0 * stats.norm.cdf(ratio) - 1.0))
        expected: Floats = apart - width / np.sqrt(np.pi)
        return expected


@dataclass(frozen=True, slots=True)
class Loss:
    """What every night adds to the version in use.

    Attributes:
        scale: to the log scale of each cell; times its sign so far where ``onward``.
        median: to each median.
        onward: whether each cell goes on the way that it went by chance.
        hidden: whether rows held out show nothing of it, as where a fit has seen them.
    """

    scale: Floats
    median: float = 0.0
    onward: bool = False
    hidden: bool = False

    def worsen(self, version: Version) -> Version:
        """The version of the next night."""
        way = np.where(version.scale >= 0.0, 1.0, -1.0) if self.onward else 1.0
        return Version(version.scale + self.scale * way, version.median + self.median)


@dataclass(frozen=True, slots=True)
class Campaign:
    """What became of a run of nights.

    Attributes:
        name: what was planted.
        nights: how many there were.
        accepted: how many versions were taken into use.
        worst: largest true loss of a version in use, over the promoted one.
        issued: true loss of all that was issued, over the promoted version.
    """

    name: str
    nights: int
    accepted: int
    worst: float
    issued: float


EVERY, FIRST = np.ones(CELLS), np.arange(CELLS) == 0
PLANTED = {
    "half of the cells narrower, half wider": Loss(STEP * (-1.0) ** np.arange(CELLS)),
    "every cell on the way it went by chance": Loss(STEP * EVERY, onward=True),
    "every cell wider": Loss(STEP * EVERY),
    "every cell narrower": Loss(-STEP * EVERY),
    "every median aside": Loss(0.0 * EVERY, median=STEP),
    "one cell wider": Loss(STEP * FIRST),
    "every cell wider, unseen on rows held out": Loss(STEP / 4 * EVERY, hidden=True),
    "every cell narrower, unseen on rows held out": Loss(-STEP / 4 * EVERY, hidden=True),
}


def main() -> None:
    """Simulate, print, and write where asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="one run of each, fewer nights")
    arguments.add_argument("--json", metavar="FILE", help="write the figures here, - for stdout")
    arguments.add_argument("--markdown", metavar="FILE", help="write the documentation page here")
    chosen = arguments.parse_args()
    nights, runs = (60, 1) if chosen.quick else (250, 4)
    honest = run_campaigns("honest", None, nights, 4 * runs)
    planted = [
        one for name, loss in PLANTED.items() for one in run_campaigns(name, loss, nights, runs)
    ]
    line = json.dumps(summarise(honest, planted))
    if chosen.json == "-":
        sys.stdout.write(line + "\n")
        return
    if chosen.json:
        Path(chosen.json).write_text(line + "\n")
    page = markdown(honest, planted)
    if chosen.markdown:
        Path(chosen.markdown).write_text(page)
    print(page)


def run_campaigns(name: str, planted: Loss | None, nights: int, runs: int) -> list[Campaign]:
    """Several runs of nights, each on a history of its own."""
    return [
        run_nights(name, planted, nights, np.random.default_rng([SEED, run])) for run in range(runs)
    ]


def summarise(honest: Sequence[Campaign], planted: Sequence[Campaign]) -> dict[str, object]:
    """The figures of the JSON line."""
    worst = max(planted, key=lambda one: one.worst)
    return {
        "honest_nights": sum(one.nights for one in honest),
        "honest_passed": _share_passed(honest),
        "worst_loss": round(worst.worst, 5),
        "worst_planted": worst.name,
        "limit": LIMIT,
        "margin": CRPS_MARGIN,
        "campaigns": [asdict(one) for one in (*honest, *planted)],
    }


def _share_passed(campaigns: Sequence[Campaign]) -> float:
    return sum(one.accepted for one in campaigns) / sum(one.nights for one in campaigns)


def markdown(honest: Sequence[Campaign], planted: Sequence[Campaign]) -> str:
    """The documentation page."""
    nights = sum(one.nights for one in honest)
    names = dict.fromkeys(one.name for one in planted)
    groups = {name: [one for one in planted if one.name == name] for name in names}
    return "\n".join(
        [
            "# The nightly refresh, by simulation",
            "",
            f"Made by `benchmarks/refresh.py`. {CELLS} cells, {HELD_OUT} weeks held out. "
            f"{_share_passed(honest):.1%} of {nights} honest nights passed.",
            "",
            f"Losses planted in steps of {STEP:.0%} a night ({STEP / 4:.1%} where held-out rows "
            f"show nothing), {planted[0].nights} nights a run: how many were accepted, and the "
            f"largest true loss of a version in use against the promoted one (limit {LIMIT:.0%}). "
            "What held-out rows do not show is stopped by how far the newest forecasts lie from "
            "those of the promoted version.",
            "",
            "| planted | runs | accepted, most | largest loss | mean loss of what was issued |",
            "|---|---|---|---|---|",
            *(
                f"| {name} | {len(own)} | {max(one.accepted for one in own)} | "
                f"{max(one.worst for one in own):+.2%} | "
                f"{np.mean([one.issued for one in own]):+.2%} |"
                for name, own in groups.items()
            ),
            "",
        ]
    )


@dataclass(frozen=True)
class History:
    """Returns of every week, in standard deviations: [cells, weeks], overlapping as they do."""

    returns: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, weeks: int) -> History:
        """Sums of weekly shocks with fat tails."""
        longest = max(WEEKS_AHEAD)
        shocks = rng.standard_t(6, (len(COMMODITIES), weeks + longest)) / np.sqrt(1.5)
        sums = np.concatenate([np.zeros((len(shocks), 1)), np.cumsum(shocks, axis=1)], axis=1)
        at = np.arange(weeks)
        parts = [(sums[:, at + k] - sums[:, at]) / np.sqrt(k) for k in WEEKS_AHEAD]
        return cls(np.stack(parts, axis=1).reshape(CELLS, weeks))

    def table(self, weeks: range, version: Sequence[Version], promoted: Version) -> pl.DataFrame:
        """Losses of one version per week, and of the promoted one, with outcomes by the last."""
        scale, median = (
            np.stack([getattr(one, name) for one in version], axis=1)
            for name in ("scale", "median")
        )
        frozen = [np.repeat(own[:, None], len(weeks), 1) for own in astuple(promoted)]
        y = self.returns[:, weeks.start : weeks.stop]
        parts = [(NEW, scale, median), (PROMOTED, *frozen)]
        return pl.concat(_losses(name, y, np.exp(s), m, weeks) for name, s, m in parts)


def astuple(version: Version) -> tuple[Floats, Floats]:
    """Log scale and median."""
    return version.scale, version.median


def run_nights(name: str, planted: Loss | None, nights: int, rng: np.random.Generator) -> Campaign:
    """Refresh every night; without anything planted each version is an honest one."""
    weeks = HELD_OUT + nights // NIGHTS_A_WEEK + 1
    history = History.draw(rng, weeks)
    wandering = MISJUDGEMENT * rng.standard_normal(CELLS)
    promoted = in_use = Version(MISJUDGEMENT * rng.standard_normal(CELLS), np.zeros(CELLS))
    issued: list[Version] = []
    accepted, losses = 0, []
    for night in range(nights):
        if night % NIGHTS_A_WEEK == 0:
            issued.append(in_use)
        wandering = MEMORY * wandering + np.sqrt(1 - MEMORY**2) * MISJUDGEMENT * (
            rng.standard_normal(CELLS)
        )
        tonight = planted.worsen(in_use) if planted else Version(wandering, np.zeros(CELLS))
        shown = promoted if planted and planted.hidden else tonight
        now = HELD_OUT + night // NIGHTS_A_WEEK
        held_out = history.table(range(now - HELD_OUT, now), [shown] * HELD_OUT, promoted)
        weeks_since = issued[: now - HELD_OUT]
        since = (
            history.table(range(HELD_OUT, now), weeks_since, promoted)
            if weeks_since
            else held_out.clear()
        )
        judged = judge_losses(
            _public(held_out, now), _public(since, now), measure_apart(tonight, promoted)
        )
        accepted += judged.accepted
        if judged.accepted:
            in_use = tonight
        elif judged.has_lost:
            in_use = promoted
        losses.append(_lost(in_use, promoted))
    return Campaign(name, nights, accepted, max(losses), float(np.mean(losses)))


def measure_apart(version: Version, promoted: Version) -> Distance:
    """As the product measures it on newest rows, in closed form."""
    least = promoted.cost_under(promoted)
    apart = version.cost_under(promoted) - least
    return Distance(
        float(np.mean(apart / least)), float(np.mean(apart / promoted.cost_under(version)))
    )


def _lost(version: Version, promoted: Version) -> float:
    return float(np.mean(version.loss() / promoted.loss()) - 1.0)


def _public(table: pl.DataFrame, now: int) -> pl.DataFrame:
    return table.filter(pl.col("known_at") <= MONDAY.replace(tzinfo=UTC) + timedelta(weeks=now))


def _losses(name: str, y: Floats, scale: Floats, median: Floats, weeks: range) -> pl.DataFrame:
    unit = (y - median) / scale
    crps = scale * (
        unit * (2.0 * stats.norm.cdf(unit) - 1.0) + 2.0 * stats.norm.pdf(unit) - 1 / np.sqrt(np.pi)
    )
    cell, week = (index.ravel() for index in np.indices(y.shape))
    ahead = np.array(WEEKS_AHEAD)[cell % len(WEEKS_AHEAD)]
    longest = max(WEEKS_AHEAD) + 1
    at = np.array([MONDAY + timedelta(weeks=w) for w in range(weeks.stop + longest)])
    at = at.astype("datetime64[us]")
    made = week + weeks.start
    return pl.DataFrame(
        {
            "recipe": name,
            "commodity": np.array(COMMODITIES)[cell // len(WEEKS_AHEAD)].tolist(),
            "horizon": ahead.astype(str).tolist(),
            "as_of": pl.Series(at[made]).dt.replace_time_zone("UTC"),
            "known_at": pl.Series(at[made + ahead]).dt.replace_time_zone("UTC"),
            "crps": crps.ravel(),
            "covered_80": (np.abs(unit) <= REACH).astype(np.float64).ravel(),
        }
    ).with_columns(week=pl.col("as_of").dt.date())


if __name__ == "__main__":
    main()
