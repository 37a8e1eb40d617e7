import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from cbi_pipeline.evaluation import (
    NEEDED_LEVELS,
    Entrant,
    decide,
    decide_by_person,
    decide_founder,
    losses,
)
from cbi_pipeline.evaluation.comparison import compare
from cbi_pipeline.evaluation.evidence import cells
from cbi_pipeline.evaluation.groups import group
from data_contracts.evaluation import DECISION
from tests.evaluation import worlds

NAIVE = ("climatology", "ewma", "prior")
FLAT = 0.02 * np.sqrt(np.array([5.0, 20.0]))


def flat(world):
    return np.broadcast_to(FLAT, world.scale.shape)


def naive(world, scale=None):
    """The three naive forecasts, all of the given scale."""
    scale = flat(world) if scale is None else scale
    return [world.speak(name, scale) for name in ("climatology", "ewma", "prior")]


def judge(world, frames, *, champion="prior", **options):
    options = {"decided_at": worlds.NOW, "opponents": NAIVE} | options
    (made,) = decide(
        pl.concat(frames), world.targets(), ["candidate"], champion, world.catalogue, **options
    )
    return made


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
    (made,) = decide(
        frames, world.targets().head(0), ["candidate"], "prior", world.catalogue,
        decided_at=worlds.NOW,
    )  # fmt: skip
    assert made.verdict == "abstain"


def test_a_cell_that_got_worse_is_named_even_in_a_promotion():
    world = planted(weeks=300)
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
    made = decide_founder("combined", evaluation_id="e", decided_at=worlds.NOW)
    assert made.promotes
    assert "nothing was tested" in made.reason
    assert made.frame().row(0, named=True)["champion"] == "combined"


def test_a_decision_by_hand_is_recorded_with_name_reason_and_version():
    def decided(reason, days):
        return decide_by_person(
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
        decide_by_person(
            "promote", "a", "prior", version=1, reason=reason, who=who, decided_at=worlds.NOW
        )


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


def look_at(world, frames, *challengers, **options):
    options = {"decided_at": worlds.NOW, "opponents": NAIVE} | options
    rows = decide(
        pl.concat(frames), world.targets(), challengers, "prior", world.catalogue, **options
    )
    return {row.recipe: row for row in rows}


def test_of_two_that_pass_in_one_look_the_one_shown_best_is_promoted():
    world = planted()
    frames = [
        *naive(world),
        world.speak("best", world.scale),
        world.speak("good", world.scale * 1.3),
    ]
    made = look_at(world, frames, "best", "good")
    assert {name: row.verdict for name, row in made.items()} == {"good": "keep", "best": "promote"}
    assert list(made)[-1] == "best", "what is decided on the others comes before the promotion"
    assert "the gain of best is shown best" in made["good"].reason


def test_a_field_of_equal_recipes_shares_the_level_and_copies_share_all_of_it():
    world = planted()
    rng = np.random.default_rng(1)
    apart = [world.speak(f"r{n}", worlds.noisy(rng, world.scale)) for n in range(4)]
    copies = [
        world.speak(f"r{n}", worlds.noisy(np.random.default_rng(2), world.scale)) for n in range(4)
    ]
    names = [f"r{n}" for n in range(4)]
    alone = look_at(world, [*naive(world), apart[0]], "r0")["r0"]
    shared, copied = (
        json.loads(look_at(world, [*naive(world), *frames], *names)["r0"].statistics)
        for frames in (apart, copies)
    )
    whole = json.loads(alone.statistics)["own_level"]
    assert copied["own_level"] == pytest.approx(whole, rel=0.05)
    assert whole / 4 <= shared["own_level"] < whole


def test_the_record_says_what_was_looked_at_and_the_next_look_reads_it():
    world = planted()
    frames = [*naive(world), world.speak("candidate", world.scale * 2)]
    entrants = {"candidate": Entrant("settings", "code")}
    one = look_at(world, frames, "candidate", entrants=entrants, round_id="round")["candidate"]
    row = one.frame().row(0, named=True)
    assert [row[name] for name in ("recipe_id", "code", "round_id")] == [
        "settings",
        "code",
        "round",
    ]
    assert json.loads(row["field"]) == {"candidate": {"recipe_id": "settings", "code": "code"}}
    entrants = {"candidate": Entrant("other settings", "code")}
    other = look_at(world, frames, "candidate", entrants=entrants, decisions=one.frame())
    left = other["candidate"].frame()["level_left"][0]
    costs = [json.loads(own.statistics)["look"]["entry_cost"] for own in (one, other["candidate"])]
    assert costs[1] == pytest.approx(costs[0] / 4)
    assert left == pytest.approx(row["level_left"] - costs[1])


def test_a_recipe_that_could_not_be_looked_at_is_named_and_no_level_with_it():
    world = worlds.world(np.random.default_rng(0), weeks=20, clustering=0.6)
    entrants = {"candidate": Entrant("settings", "code")}
    frames = [*naive(world), world.speak("candidate", world.scale)]
    row = judge(world, frames, entrants=entrants).frame().row(0, named=True)
    assert (row["verdict"], row["recipe_id"], row["code"]) == ("abstain", "settings", "code")
    assert row["field"] is row["level_left"] is row["round_id"] is None


def test_opponents_that_a_round_lacks_are_named():
    world = planted()
    frames = [*naive(world), world.speak("candidate", world.scale)]
    made = judge(world, frames, opponents=("climatology", "garch_t"))
    assert "did not meet garch_t, which has no scored forecast in this round" in made.reason


def test_what_the_gate_would_see_grows_with_the_evidence():
    def foresee(weeks):
        world = planted(weeks=weeks)
        rng = np.random.default_rng(3)
        frames = [*naive(world), world.speak("candidate", worlds.noisy(rng, world.scale))]
        made = judge(world, frames)
        assert "would be promoted with a chance of" in made.reason
        return json.loads(made.statistics)["chance_of_promotion"]["0.01"]

    assert 0.0 < foresee(60) < foresee(400) < 1.0


def test_the_gate_reads_nothing_of_the_first_quarter_of_each_commodity():
    catalogue = worlds.catalogue(3, development=0.25)
    world = replace(planted(), catalogue=catalogue)
    scale = world.scale.copy()
    frames = [*naive(world), world.speak("candidate", scale)]
    one = judge(world, frames)
    scale[:, : world.weeks // 4] *= 7.0
    other = judge(world, [*naive(world), world.speak("candidate", scale)])
    assert one.statistics == other.statistics
    scale[:, : world.weeks // 4 + 1] *= 7.0
    assert (
        one.statistics != judge(world, [*naive(world), world.speak("candidate", scale)]).statistics
    )


def test_a_recipe_of_fewer_levels_changes_no_figure_of_the_others():
    world = planted()
    frames = [*naive(world), world.speak("candidate", world.scale)]
    few = world.speak("few", world.scale).filter(pl.col("quantile").is_in(NEEDED_LEVELS))
    one, both = (
        json.loads(look_at(world, [*frames, *more], *names)["candidate"].statistics)["contests"]
        for more, names in (([], ["candidate"]), ([few], ["candidate", "few"]))
    )
    assert [contest["skill"] for contest in one] == [contest["skill"] for contest in both]


def test_calibrated_variants_are_named_by_that_word():
    world = planted()
    frames = [*naive(world), world.speak("candidate", world.scale)]
    issued = world.speak("candidate+conformal", world.scale)
    made = judge(world, [*frames, issued])
    assert "candidate (calibrated)" in made.reason
    assert "+conformal" not in made.reason


def test_a_cell_is_called_better_or_worse_by_the_variance_of_all_other_verdicts():
    """What lasts counts: the p-value of a cell is that of its gains with their memory."""
    world = planted(weeks=200)
    rng = np.random.default_rng(6)
    lasting = worlds.noisy(rng, world.scale, 0.4)
    both = pl.concat([world.speak("prior", world.scale), world.speak("candidate", lasting)])
    table = losses(both, world.targets(), world.catalogue)
    for cell in cells(table, "candidate", "prior"):
        own = group(table, cell.commodity, cell.horizon)
        gains, memory = own.difference("candidate", "prior"), own.memory("candidate", "prior")
        assert cell.p_better == compare(gains, own.lags, memory).p_value
