"""The level that the gate spends over its looks."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats

from cbi_pipeline.evaluation.decisions import Subject, decision
from cbi_pipeline.evaluation.spending import (
    ENTRY_SHARE,
    LEVEL,
    Account,
    Entrant,
    Evidence,
    read_account,
    spend_level,
)
from data_contracts.evaluation import DECISION
from tests.evaluation import worlds

FIRST = Evidence("a", "axes", 500.0)


def field(*ids):
    return {f"recipe_{n}": Entrant(str(own), "code") for n, own in enumerate(ids)}


def look_on(account, evidence, *ids):
    look = spend_level(account, evidence, field(*ids))
    return Account((*account.looks, look), account.earlier), look


def grow(weeks):
    return Evidence(f"a{weeks}", "axes", FIRST.independent + weeks)


def test_variants_under_one_name_share_the_level_however_many_there_are():
    account, levels = Account(), []
    for variant in range(50):
        account, look = look_on(account, FIRST, variant)
        levels.append(look.level)
        assert look.is_entry
    assert sum(levels) < ENTRY_SHARE * LEVEL
    assert levels == sorted(levels, reverse=True)
    assert look.left == pytest.approx(LEVEL - sum(levels))


def test_a_recipe_under_another_name_is_still_the_same_recipe():
    account, _ = look_on(Account(), FIRST, "own")
    look = spend_level(account, grow(1), {"renamed": Entrant("own", "code")})
    assert not look.is_entry


@pytest.mark.parametrize("change", ["code", "settings", "axes", "shorter", "the same"])
def test_what_is_new_pays_in_full(change):
    account, first = look_on(Account(), FIRST, "own")
    settings = "other" if change == "settings" else "own"
    entrant = Entrant(settings, "other code" if change == "code" else "code")
    evidence = {
        "axes": Evidence("b", "other axes", 501.0),
        "shorter": Evidence("b", "axes", 499.0),
        "the same": FIRST,
    }.get(change, grow(1))
    look = spend_level(account, evidence, {"recipe_0": entrant})
    assert look.is_entry
    assert look.entry_cost == pytest.approx(first.entry_cost / 4)


def test_weekly_looks_for_any_number_of_years_never_spend_all():
    account, first = look_on(Account(), FIRST, "own")
    for week in range(1, 2000, 7):
        account, look = look_on(account, grow(week), "own")
        assert not look.is_entry
    spent = LEVEL - look.left
    assert first.entry_cost < spent < first.entry_cost + (1 - ENTRY_SHARE) * LEVEL


def test_a_look_that_nearly_repeats_the_one_before_has_more_level_than_it_costs():
    account, _ = look_on(Account(), FIRST, "own")
    look = spend_level(account, grow(1), field("own"))
    assert look.level > 5 * look.growth_cost


@pytest.mark.parametrize("between", [1, 26])
def test_the_chance_that_any_of_many_looks_passes_is_what_they_cost(between):
    """Sums of independent outcomes that show nothing, looked at for ten years."""
    rng, paths = np.random.default_rng(between), 40_000
    account, first = look_on(Account(), FIRST, "own")
    total = np.sqrt(FIRST.independent) * rng.standard_normal(paths)
    passed = total / np.sqrt(FIRST.independent) > stats.norm.isf(first.level)
    spent = first.entry_cost
    for weeks in range(between, 521, between):
        account, look = look_on(account, grow(weeks), "own")
        total += np.sqrt(between) * rng.standard_normal(paths)
        passed |= total / np.sqrt(look.evidence.independent) > stats.norm.isf(look.level)
        spent += look.growth_cost
    assert passed.sum() <= stats.binom.ppf(0.999, paths, spent)
    assert passed.mean() > 0.9 * first.entry_cost


def history(*entries):
    rows = [
        decision(
            f"e{days}", recipe, "prior", verdict, "words", decided_at=worlds.NOW + timedelta(days)
        )
        for recipe, verdict, days in entries
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
    ],
)
def test_looks_of_earlier_releases_count_as_they_were_paid_for(entries, expected):
    assert read_account(history(*entries)).entries == expected


def test_looks_are_read_from_the_decisions_that_note_them_once_each():
    account, rows = Account(), []
    for number, recipes in enumerate([("own",), ("own", "other"), ("own",)]):
        account, look = look_on(account, grow(number), *recipes)
        subject = Subject("id", "code", "round", look.field_json, look.left)
        rows += [
            decision(
                f"e{number}", name, "prior", "keep", "words", decided_at=worlds.NOW,
                figures={"look": look.costs}, subject=subject,
            ).frame()
            for name in look.field
        ]  # fmt: skip
    assert read_account(pl.concat(rows)) == account
