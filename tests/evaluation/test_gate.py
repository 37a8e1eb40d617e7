import json
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from cbi_pipeline.evaluation import by_person, decide, first, gate, losses, tried_before
from cbi_pipeline.evaluation.comparison import compare
from cbi_pipeline.evaluation.gate import decision
from cbi_pipeline.evaluation.groups import group
from data_contracts.evaluation import DECISION
from tests.evaluation import worlds

FLAT = 0.02 * np.sqrt(np.array([5.0, 20.0]))


def flat(world):
    return np.broadcast_to(FLAT, world.scale.shape)


def naive(world, scale=None):
    """The three naive forecasts, all of the given scale."""
    scale = flat(world) if scale is None else scale
    return [world.speak(name, scale) for name in ("climatology", "ewma", "prior")]


def judge(world, frames, *, champion="prior", **options):
    options = {"decided_at": worlds.NOW} | options
    return decide(
        pl.concat(frames), world.targets(), "candidate", champion, world.catalogue, **options
    )


def planted(seed=0, **options):
    return worlds.world(np.random.default_rng(seed), clustering=0.6, commodities=3, **options)


def test_a_planted_volatility_signal_is_found_and_promoted():
    world = planted()
    made = judge(world, [*naive(world), world.speak("candidate", world.scale)])
    assert made.verdict == "promote"
    assert "better than the champion" in made.reason
    DECISION.validate(made.frame())


def test_a_candidate_must_beat_the_champion_too():
    world = planted()
    frames = [
        *naive(world),
        world.speak("champion", world.scale),
        world.speak("candidate", world.scale * 1.15),
    ]
    made = judge(world, frames, champion="champion")
    assert made.verdict == "keep"
    assert "CRPS against champion" in made.reason


def test_beating_the_champion_but_not_every_naive_forecast_is_no_skill():
    world = planted()
    frames = [
        world.speak("climatology", flat(world)),
        world.speak("ewma", world.scale),
        world.speak("prior", flat(world) * 2),
        world.speak("candidate", world.scale * 1.02),
    ]
    made = judge(world, frames)
    assert made.verdict == "no_skill"
    assert made.reason.startswith("No skill")


@pytest.mark.parametrize("nudge", [0.0, 1e-12, 1e-7])
def test_two_recipes_that_are_the_same_are_never_promoted_over_each_other(nudge):
    world = planted()
    bad = naive(world, flat(world) * 3)
    one = world.speak("champion", world.scale)
    other = world.speak("candidate", world.scale * (1 - nudge))
    assert judge(world, [*bad, one, other], champion="champion").verdict == "keep"
    one = world.speak("candidate", world.scale)
    other = world.speak("champion", world.scale * (1 - nudge))
    assert judge(world, [*bad, one, other], champion="champion").verdict == "keep"


def test_the_champion_is_not_tested_against_itself():
    world = planted()
    frames = [*naive(world), world.speak("candidate", world.scale)]
    assert judge(world, frames, champion="candidate").verdict == "keep"


def test_a_recipe_equal_to_a_naive_forecast_says_so():
    world = planted()
    made = judge(world, [*naive(world), world.speak("candidate", flat(world))])
    assert made.verdict == "no_skill"
    assert "exactly what prior does" in made.reason


@pytest.mark.slow
@pytest.mark.parametrize("clustering", [0.0, 0.4])
def test_equally_good_candidates_are_promoted_no_more_often_than_the_level(clustering):
    rng = np.random.default_rng(4)
    trials = 30
    promoted = 0
    for _ in range(trials):
        world = worlds.world(rng, clustering=clustering, weeks=70)
        frames = [
            world.speak(name, worlds.noisy(rng, world.scale))
            for name in ("climatology", "ewma", "prior", "champion", "candidate")
        ]
        paired = losses(pl.concat(frames), world.targets(), world.catalogue)
        opponents = ("champion", "climatology", "ewma", "prior")
        verdict, *_ = gate.judge(paired, "candidate", opponents, world.catalogue, 0.05)
        promoted += verdict == "promote"
    assert promoted <= binom.ppf(0.999, trials, 0.05)


def test_a_recipe_lucky_on_one_commodity_in_fifty_is_not_promoted():
    rng = np.random.default_rng(5)
    world = worlds.world(rng, commodities=50, clustering=0.5, steps={"1w": 5}, weeks=80)
    wrong = worlds.noisy(rng, world.scale, 0.4)
    trial = worlds.noisy(rng, world.scale, 0.4)
    # Of fifty trials, keep the luckiest and leave the other forecasts as they are.
    both = pl.concat([world.speak("prior", wrong), world.speak("trial", trial)])
    paired = losses(both, world.targets(), world.catalogue)
    alone = [group(paired, commodity=f"c{c}").difference("trial", "prior") for c in range(50)]
    best = int(np.argmin([compare(gains, 0).p_value for gains in alone]))
    lucky = wrong.copy()
    lucky[best] = trial[best]
    frames = [*naive(world, wrong), world.speak("candidate", lucky)]
    made = judge(world, frames)
    contest = json.loads(made.statistics)["contests"][0]
    assert contest["comparison"]["p_value"] < 0.025, "luck alone would have passed"
    assert contest["places"] == pytest.approx(50.0)
    assert made.verdict == "no_skill"


def test_an_improvement_shared_by_all_commodities_is_hardly_corrected():
    world = planted()
    made = judge(world, [*naive(world), world.speak("candidate", world.scale)])
    assert json.loads(made.statistics)["contests"][0]["places"] < 1.5


def test_a_leak_on_liquid_markets_is_held_back_until_a_person_looks():
    world = planted(liquid=True)
    leak = 0.3 * world.returns
    made = judge(world, [*naive(world), world.speak("candidate", world.scale, leak)])
    assert made.verdict == "too_good"
    assert "hit rate 100.0% on c0" in made.reason
    assert "point skill" in made.reason


def test_the_same_figures_on_an_illiquid_market_are_believed():
    world = planted(liquid=False)
    leak = 0.3 * world.returns
    made = judge(world, [*naive(world), world.speak("candidate", world.scale, leak)])
    assert made.verdict == "promote"


def test_too_little_evidence_makes_the_gate_abstain():
    world = worlds.world(np.random.default_rng(0), weeks=20, clustering=0.6)
    made = judge(world, [*naive(world), world.speak("candidate", world.scale)])
    assert made.verdict == "abstain"
    assert "26 weeks are needed" in made.reason


def test_nothing_scored_yet_makes_the_gate_abstain():
    world = planted()
    frames = pl.concat([*naive(world), world.speak("candidate", world.scale)])
    made = decide(
        frames, world.targets().head(0), "candidate", "prior", world.catalogue,
        decided_at=worlds.NOW,
    )  # fmt: skip
    assert made.verdict == "abstain"


def test_every_candidate_tried_leaves_less_of_the_level_and_all_of_them_no_more_than_it():
    world = planted(weeks=40)
    frames = [*naive(world), world.speak("candidate", world.scale)]
    left = [
        json.loads(judge(world, frames, tried=tried).statistics)["level_left"] for tried in range(4)
    ]
    assert left == pytest.approx([0.05 / 2, 0.05 / 6, 0.05 / 12, 0.05 / 20])
    assert sum(0.05 / (k * (k + 1)) for k in range(1, 10_000)) < 0.05


def test_a_cell_that_got_worse_is_named_even_in_a_promotion():
    world = planted(weeks=150)
    scale = world.scale.copy()
    scale[2, :, 0] *= 4.0
    made = judge(world, [*naive(world), world.speak("candidate", scale)])
    assert "Worse than the champion by itself on c2 1w" in made.reason


def test_the_same_evidence_gives_the_same_decision():
    world = planted()
    frames = [*naive(world), world.speak("candidate", world.scale)]
    one = judge(world, frames)
    other = judge(world, frames[::-1], decided_at=worlds.NOW + timedelta(days=1))
    assert (one.decision_id, one.statistics, one.reason) == (
        other.decision_id,
        other.statistics,
        other.reason,
    )


def test_the_first_champion_is_made_by_construction():
    made = first("combined", evaluation_id="e", decided_at=worlds.NOW)
    assert made.promotes
    assert "nothing was tested" in made.reason
    assert made.frame().row(0, named=True)["champion"] == "combined"


def history(*entries):
    rows = [
        decision("e", recipe, "prior", verdict, "words", decided_at=worlds.NOW + timedelta(days=d))
        for recipe, verdict, d in entries
    ]
    return pl.concat([row.frame() for row in rows]) if rows else DECISION.empty()


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], 0),
        ([("prior", "first", 0)], 0),
        ([("a", "keep", 1), ("b", "no_skill", 2)], 2),
        ([("a", "keep", 1), ("a", "keep", 8), ("a", "keep", 15)], 1),
        ([("a", "keep", 1), ("a", "keep", 120)], 2),
        ([("a", "keep", 1), ("b", "promote", 2), ("c", "too_good", 3)], 1),
        ([("a", "abstain", 1)], 0),
        ([("prior", "keep", 1)], 0),
        ([("me", "keep", 190), ("me", "keep", 1)], 1),
    ],
)
def test_candidates_tried_since_the_last_change_of_champion_are_counted(entries, expected):
    assert tried_before(history(*entries), "me", worlds.NOW + timedelta(days=200)) == expected


def test_a_decision_by_hand_is_recorded_with_name_reason_and_version():
    def decided(reason, days):
        return by_person(
            "rollback", "prior", "a", version=3, reason=reason, who="Ada",
            decided_at=worlds.NOW + timedelta(days=days),
        )  # fmt: skip

    made = decided(" too wide in March ", 0)
    row = made.frame().row(0, named=True)
    assert (row["verdict"], row["who"], row["version"]) == ("rollback", "Ada", 3)
    assert row["reason"] == "too wide in March"
    assert decided("again", 1).decision_id != made.decision_id


@pytest.mark.parametrize(
    ("reason", "who", "complaint"),
    [("", "Ada", "needs a reason"), ("why", " ", "needs a reason and a name")],
)
def test_a_decision_by_hand_needs_reason_and_name(reason, who, complaint):
    with pytest.raises(ValueError, match=complaint):
        by_person("promote", "a", "prior", version=1, reason=reason, who=who, decided_at=worlds.NOW)


def test_the_record_names_the_rivals_that_are_among_the_best():
    world = planted()
    made = judge(world, [*naive(world), world.speak("candidate", world.scale)])
    assert "SPA p = " in made.reason
    best = made.reason.split("with 90% confidence: ")[1].rstrip(".").split(", ")
    held = json.loads(made.statistics)["confidence_set"]
    assert best == [name for name, value in sorted(held.items()) if value > 0.10]


def test_the_record_says_where_the_champion_stands_among_all_recipes():
    world = planted()
    figures = json.loads(
        judge(world, [*naive(world), world.speak("candidate", world.scale)]).statistics
    )
    assert figures["superior_ability"] < 0.05
    assert figures["confidence_set"]["candidate"] == 1.0
