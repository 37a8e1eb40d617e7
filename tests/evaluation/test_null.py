"""Where there is nothing to find, nothing is found; where there is, its size is."""

import json

import numpy as np
import polars as pl

from cbi_pipeline.evaluation import decide
from cbi_pipeline.report.sections.model import describe_verdict
from tests.evaluation import worlds

NAIVE = ("climatology", "ewma", "prior")


def verdict(world, candidate, naive):
    frames = [*(world.speak(name, naive) for name in NAIVE), world.speak("candidate", candidate)]
    (made,) = decide(
        pl.concat(frames), world.targets(), ["candidate"], "prior", world.catalogue,
        decided_at=worlds.NOW, opponents=NAIVE,
    )  # fmt: skip
    return made


def test_on_random_walks_a_noisy_candidate_is_told_to_have_no_skill():
    rng = np.random.default_rng(21)
    for _ in range(4):
        world = worlds.world(rng, weeks=80)
        made = verdict(world, worlds.noisy(rng, world.scale, 0.2), world.scale)
        assert made.verdict == "no_skill"
        assert describe_verdict(made.verdict).startswith("No skill shown")


def test_the_size_of_a_planted_signal_is_what_the_promotion_states():
    world = worlds.world(np.random.default_rng(22), clustering=0.6, commodities=3, weeks=150)
    flat = np.broadcast_to(world.scale.mean(axis=(0, 1)), world.scale.shape)
    made = verdict(world, world.scale, flat)
    assert made.verdict == "promote"
    contest = json.loads(made.statistics)["contests"][0]
    # CRPS of a normal forecast with standard deviation s for returns of standard deviation t:
    # expected (2 hypot(s, t) - s) / (2 sqrt(pi)); Gneiting and Raftery (2007), eq. 20.
    s, t = (scale.astype(float) for scale in (flat, world.scale))
    losses = [(2 * np.hypot(said, t) - said).mean(axis=1) for said in (t, s)]
    truth = 1 - (losses[0] / losses[1]).mean()
    error = contest["comparison"]["diebold_mariano"]["error"]
    assert abs(contest["skill"] - truth) < 1.96 * error
