"""How often the gate promotes by mistake, and how often it sees a gain.

Generated markets as correlated, heavy-tailed and persistent as oil and gas, see
`benchmarks.gate_worlds`. Where nothing is to be found, champion and candidates misjudge the
volatility equally, and no other opponent stands in the way: the least favourable case. The level of
each look, its share for each recipe and what is shown are the product's own functions; they read
weekly losses instead of the table of forecasts, and `tests/evaluation/test_simulation.py` compares
that with the whole gate.

Run ``python -m benchmarks.gate`` (``--quick`` for few trials of two designs, ``--json FILE`` or
``--json -`` for one JSON line, ``--markdown FILE`` for the tables of the documentation).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.gate_worlds import LAGS, STEPS, Rival, World, draw_world, set_against
from cbi_pipeline.evaluation.comparison import diebold_mariano
from cbi_pipeline.evaluation.evidence import judge_pairing
from cbi_pipeline.evaluation.spending import (
    LEVEL,
    Account,
    Entrant,
    Evidence,
    Look,
    spend_level,
)
from cbi_pipeline.evaluation.step_down import find_hardest, share_out_level

Floats = npt.NDArray[np.float64]
Field = Mapping[str, Sequence[Rival]]

#: Of all worlds; what the gate's rules were chosen by came from other seeds.
SEED = 52_917_604
CHAMPION = "champion"
YEAR = 52
#: Weeks that the gate reads of 13 and 33 years, without the quarter for development.
THIRTEEN, THIRTY_THREE = 39 * 13, 39 * 33
MISJUDGEMENT = 0.2
# Misjudgements of useless recipes beside a champion that has none, and of an opponent.
USELESS, OPPONENT = 0.15, 0.10
# Strength of the driver that makes the informed recipe so much better, measured as well.
DRIVERS = {"1 %": 0.2, "2 %": 0.285, "3 %": 0.35}
# How many markets see a gain, and how large.
POWERS = ((1, "2 %"), (2, "2 %"), (4, "2 %"), (8, "2 %"), (2, "3 %"), (8, "1 %"))
QUICK_POWERS = ((8, "2 %"),)


@dataclass(frozen=True, slots=True)
class Design:
    """A world in which nothing is to be found, and how it is looked at.

    Attributes:
        name: in words.
        markets: correlated commodities.
        weeks: of evidence at the first look.
        recipes: candidates, as good as the champion.
        memory: weekly persistence of misjudgements.
        looks: one a week as the evidence grows.
        variants: looks at this evidence, each at another recipe; then ``recipes`` is 1.
        lucky: whether each candidate is the champion but on the market where it is luckiest.
        trials: worlds of the long run.
    """

    name: str
    markets: int
    weeks: int
    recipes: int
    memory: float = 0.95
    looks: int = 1
    variants: int = 1
    lucky: bool = False
    trials: int = 1000


NULLS = (
    Design("five equal recipes, two markets, 13 years", 2, THIRTEEN, 5),
    Design("the same, one market", 1, THIRTEEN, 5),
    Design("the same, eight markets", 8, THIRTEEN, 5),
    Design("two markets, 33 years, misjudgements AR .98", 2, THIRTY_THREE, 5, 0.98, trials=2500),
    Design("two markets, two years and a half", 2, 98, 5),
    Design("fifty variants of one recipe, one after the other", 2, THIRTEEN, 1, variants=50),
    Design(
        "lucky on one market of fifty, ten such recipes", 50, THIRTEEN, 10, lucky=True, trials=300
    ),
    Design(
        "ten recipes looked at weekly for ten years", 2, THIRTEEN, 10, looks=10 * YEAR, trials=300
    ),
)


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
    """Promotions of the one informed recipe among useless ones, within a year of weekly looks."""

    design: str
    skill: float
    promoted: Rate
    others: int


Measured = TypeVar("Measured", Rate, Power)


def main() -> None:
    """Simulate, print, and write where asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="few trials of two designs")
    arguments.add_argument("--trials", type=int, metavar="N", help="worlds of each design")
    arguments.add_argument("--json", metavar="FILE", help="write the figures here, - for stdout")
    arguments.add_argument("--markdown", metavar="FILE", help="write the tables here")
    chosen = arguments.parse_args()
    nulls = NULLS[:1] if chosen.quick else NULLS
    false = _report(
        measure_false_promotions(design, chosen.trials or (200 if chosen.quick else design.trials))
        for design in nulls
    )
    trials = max(1, (chosen.trials or 200) // 4 if chosen.quick else (chosen.trials or 200))
    power = _report(measure_power(trials, quick=chosen.quick))
    line = json.dumps(summarise(false, power))
    if chosen.json and chosen.json != "-":
        Path(chosen.json).write_text(line + "\n")
    if chosen.markdown:
        Path(chosen.markdown).write_text(format_tables(false, power))
    sys.stdout.write(line + "\n")


def _report(measured: Iterable[Measured]) -> list[Measured]:
    """What is measured, each written to the terminal as it is done."""
    done = []
    for each in measured:
        sys.stderr.write(f"{json.dumps(asdict(each))}\n")
        done.append(each)
    return done


def measure_false_promotions(design: Design, trials: int) -> Rate:
    """Worlds of a design in which any look promoted a recipe that is no better."""
    rng = np.random.default_rng([SEED, NULLS.index(design) if design in NULLS else 99])
    happened = 0
    for _ in range(trials):
        world = draw_world(rng, design.markets, design.weeks + design.looks - 1)
        fields = list(_draw_fields(rng, world, design))
        happened += promote_first(fields, design.weeks, design.looks) is not None
    return Rate(design.name, trials, happened)


def measure_power(trials: int, *, quick: bool) -> Iterator[Power]:
    """How often the informed one of ten recipes is promoted within a year of weekly looks."""
    for markets, gain in QUICK_POWERS if quick else POWERS:
        rng = np.random.default_rng([SEED, 1000 + markets])
        skills, named = [], []
        for _ in range(trials):
            world = draw_world(rng, markets, THIRTEEN + YEAR, DRIVERS[gain])
            field = _draw_informed_field(rng, world)
            skills.append(field["informed"][0].gain(world.weeks)[0].mean())
            named.append(promote_first([field], THIRTEEN, YEAR + 1))
        hits = named.count("informed")
        others = sum(name not in (None, "informed") for name in named)
        words = f"{markets} {'market' if markets == 1 else 'markets'}, 13 years, {gain} better"
        yield Power(words, float(np.mean(skills)), Rate(words, trials, hits), others)


def promote_first(fields: Sequence[Field], weeks: int, looks: int) -> str | None:
    """The recipe promoted first in looks at several fields in turn, each as evidence grows."""
    spent = spend_levels(tuple(tuple(field) for field in fields), weeks, looks)
    asked = ((field, seen) for field in fields for seen in range(weeks, weeks + looks))
    promoted = (
        judge_look(field, look, seen) for (field, seen), look in zip(asked, spent, strict=True)
    )
    return next((name for name in promoted if name is not None), None)


@lru_cache(maxsize=4)
def spend_levels(fields: tuple[tuple[str, ...], ...], weeks: int, looks: int) -> tuple[Look, ...]:
    """The looks at several fields in turn, while none promotes: the same in every world."""
    account = Account()
    for number, names in enumerate(fields):
        entrants = {name: Entrant(f"{name} {number}", "") for name in names}
        for seen in range(weeks, weeks + looks):
            evidence = Evidence(str(seen), "", float((seen / STEPS).sum()))
            account = Account((*account.looks, spend_level(account, evidence, entrants)))
    return account.looks


def judge_look(field: Field, look: Look, weeks: int) -> str | None:
    """The recipe that a look promotes; None where none is shown to be better."""
    if not any(_can_be_shown(rivals, weeks, look.level) for rivals in field.values()):
        return None
    pairings = {name: [rival.pair(weeks) for rival in rivals] for name, rivals in field.items()}
    # No recipe's own level is above that of the look.
    if not any(find_hardest(own).p_value <= look.level for own in pairings.values()):
        return None
    levels = share_out_level(look.level, pairings)
    passed = [
        name
        for name, own in pairings.items()
        if all(judge_pairing(pairing, levels[name]).shown for pairing in own)
    ]
    return min(passed, key=lambda name: find_hardest(pairings[name]).p_value, default=None)


def _can_be_shown(rivals: Sequence[Rival], weeks: int, level: float) -> bool:
    """Whether the one of the two tests that is soon done lets a recipe pass; it saves the other."""
    gains = (rival.gain(weeks)[0] for rival in rivals)
    return all(gain.mean() > 0 and diebold_mariano(gain, LAGS).p_value <= level for gain in gains)


def _draw_fields(rng: np.random.Generator, world: World, design: Design) -> Iterator[Field]:
    champion = world.misjudge(rng, MISJUDGEMENT, design.memory)
    for _ in range(design.variants):
        field = {}
        for number in range(design.recipes):
            scale = world.misjudge(rng, MISJUDGEMENT, design.memory)
            if design.lucky:
                scale = _keep_luckiest(world, scale, champion)
            field[str(number)] = [set_against(world, CHAMPION, scale, champion)]
        yield field


def _keep_luckiest(world: World, scale: Floats, champion: Floats) -> Floats:
    """The champion's scales, but those of a trial on the market where they happened to be best."""
    gains = 1.0 - world.score(scale).mean(axis=1) / world.score(champion).mean(axis=1)
    best = int(np.argmax(gains.reshape(world.markets, -1) @ (1.0 / STEPS)))
    lucky = champion.copy()
    own = slice(best * len(STEPS), (best + 1) * len(STEPS))
    lucky[own] = scale[own]
    return lucky


def _draw_informed_field(rng: np.random.Generator, world: World) -> Field:
    """Nine recipes that add misjudgements of their own, and the one that sees the driver."""
    opponents = {
        CHAMPION: world.scale,
        "garch_t": world.misjudge(rng, OPPONENT, 0.95),
        "climatology": np.repeat(world.scale.mean(axis=1, keepdims=True), world.weeks, axis=1),
    }
    scales = {str(n): world.misjudge(rng, USELESS, 0.95) for n in range(9)}
    scales["informed"] = world.informed
    return {
        name: [set_against(world, other, scale, theirs) for other, theirs in opponents.items()]
        for name, scale in scales.items()
    }


def summarise(false: Sequence[Rate], power: Sequence[Power]) -> dict[str, object]:
    """The figures of the JSON line; the rate is that of the worst design, the power at 2 %."""
    worst = max(false, key=lambda each: each.rate)
    headline = next(each for each in reversed(power) if each.design.endswith("2 % better"))
    return {
        "false_promotion_rate": worst.rate,
        "false_promotion_rate_high": round(worst.high, 4),
        "level": LEVEL,
        "trials": worst.trials,
        "power": headline.promoted.rate,
        "power_at_skill": round(headline.skill, 4),
        "false_promotions": [asdict(each) | {"rate": each.rate} for each in false],
        "power_curve": [asdict(each) | {"rate": each.promoted.rate} for each in power],
    }


def format_tables(false: Sequence[Rate], power: Sequence[Power]) -> str:
    """The tables of the documentation."""
    lines = [
        "| nothing to be found | worlds | false promotions | 95 % at most |",
        "|---|---|---|---|",
        *(f"| {r.design} | {r.trials} | {r.rate:.1%} | {r.high:.1%} |" for r in false),
        "",
        "| ten recipes, one informed | worlds | its true gain | promoted within a year | another |",
        "|---|---|---|---|---|",
        *(
            f"| {p.design} | {p.promoted.trials} | {p.skill:+.2%} | {p.promoted.rate:.0%} "
            f"| {p.others} |"
            for p in power
        ),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
