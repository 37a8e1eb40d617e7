"""What calibration moves of a home's walk-forward forecasts: Brier score, CRPS and 80 % bands.

The newest evaluation holds each recipe as it is and calibrated; both are scored by the product's
own losses on the same outcomes; in CRPS every commodity and horizon weighs as much as it has
outcomes that share no news.

Run ``python -m benchmarks.calibrated``: it makes a home from the embedded records with `cbi run`
first, which takes as long as that does. ``--home HOME`` measures one that is there, ``--quick``
makes one with the catalogue small.toml; ``--json FILE`` or ``--json -`` writes one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.evaluation import losses
from cbi_pipeline.evaluation.groups import group, select_common
from cbi_pipeline.evaluation.losses import find_apart
from cbi_pipeline.evaluation.scores import measure_skill
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.walk_forward_store import read_forecasts
from cbi_pipeline.registry import newest_evidence
from cbi_pipeline.settings import Settings
from data_contracts.evaluation import CALIBRATED

ROOT = Path(__file__).parents[1]
SMALL = "small.toml"


@dataclass(frozen=True, slots=True)
class Change:
    """A recipe before and after calibration.

    Attributes:
        recipe: its name.
        outcomes: scored forecasts.
        brier: mean squared error of the chance of a rise.
        brier_calibrated: the same, calibrated.
        crps_saved: share of its CRPS that calibration saves.
        low: lower end of a 90 % interval of that.
        high: upper end.
        held: share of outcomes inside the 80 % band.
        held_calibrated: the same, calibrated.
    """

    recipe: str
    outcomes: int
    brier: float
    brier_calibrated: float
    crps_saved: float
    low: float | None
    high: float | None
    held: float
    held_calibrated: float


def main() -> None:
    """Make a home where none is given, measure it, print, and write where asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--home", metavar="HOME", help="a home with a walk-forward")
    arguments.add_argument("--quick", action="store_true", help="a home of the smallest catalogue")
    arguments.add_argument("--json", metavar="FILE", help="write the figures here, - for stdout")
    chosen = arguments.parse_args()
    if chosen.home:
        found = measure_home(Pipeline(Settings(home=Path(chosen.home))))
    else:
        with TemporaryDirectory() as folder:
            found = measure_home(make_home(Path(folder), quick=chosen.quick))
    line = json.dumps([asdict(each) for each in found])
    if chosen.json and chosen.json != "-":
        Path(chosen.json).write_text(line + "\n")
    sys.stdout.write(line + "\n")


def make_home(folder: Path, *, quick: bool) -> Pipeline:
    """A home in which the embedded records were run once."""
    own = {"CBI_HOME": str(folder), "PYTHONPATH": str(ROOT)}
    named = {"CBI_CATALOGUE_FILE": SMALL} if quick else {}
    command = [sys.executable, "-m", "cbi_pipeline.cli", "run"]
    subprocess.run(
        command, cwd=ROOT, env=os.environ | own | named, stdout=subprocess.DEVNULL, check=True
    )
    asked = {"catalogue_file": Path(SMALL)} if quick else {}
    return Pipeline(Settings(_env_file=None, home=folder, **asked))


def measure_home(pipeline: Pipeline) -> list[Change]:
    """What calibration moved of each recipe in a home's newest evaluation."""
    with pipeline.warehouse.read() as store:
        name = newest_evidence(store.table("registry.decision"))
        forecasts, targets = read_forecasts(store, name), store.table("features.target")
    return list(compare_calibrated(forecasts, targets, pipeline.catalogue))


def compare_calibrated(
    forecasts: pl.DataFrame, targets: pl.DataFrame, catalogue: Catalogue
) -> Iterator[Change]:
    """Each recipe of some walk-forward forecasts beside its calibrated variant; none apart.

    Args:
        forecasts: rows of ``evaluation.forecast`` of one evaluation.
        targets: rows of ``features.target``.
        catalogue: names of horizons.
    """
    names = set(forecasts["recipe"]) - find_apart(forecasts).keys()
    for recipe in sorted(name for name in names if name + CALIBRATED in names):
        pair = [recipe, recipe + CALIBRATED]
        own = losses(forecasts.filter(pl.col("recipe").is_in(pair)), targets, catalogue)
        both = select_common(own, pair)
        if both.is_empty():
            continue
        _, saved, low, high, outcomes = measure_skill(group(both), pair[1], recipe)
        means = both.group_by("recipe").agg(pl.col("brier", "covered_80").mean())
        figures = {name: row for name, *row in means.rows()}
        (brier, held), (brier_calibrated, held_calibrated) = (figures[name] for name in pair)
        yield Change(
            recipe, outcomes, brier, brier_calibrated, saved, low, high, held, held_calibrated
        )


if __name__ == "__main__":
    main()
