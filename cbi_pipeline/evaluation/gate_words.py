"""A look of the gate in words."""

from __future__ import annotations

from collections.abc import Sequence

from cbi_pipeline.evaluation.evidence import Cell, Contest
from cbi_pipeline.evaluation.spending import LEVEL, Look

_OPENINGS = {
    "promote": "{recipe} is promoted: better than the champion and every other opponent.",
    "too_good": "{recipe} is held back as too good to be true until a person says otherwise.",
    "keep": "{recipe} beats the other opponents, but no gain over the champion is shown.",
    "no_skill": "No skill: {recipe} is not shown to beat every opponent.",
}


def describe_verdict(
    verdict: str,
    recipe: str,
    results: Sequence[Contest],
    by_cell: Sequence[Cell],
    suspicious: Sequence[str],
) -> str:
    """The verdict on a challenger, with its figures."""
    sentences = [_OPENINGS[verdict].format(recipe=recipe)]
    sentences += [_describe_contest(contest) for contest in results]
    for word, names in (
        ("Better", [f"{c.commodity} {c.horizon}" for c in by_cell if c.better]),
        ("Worse", [f"{c.commodity} {c.horizon}" for c in by_cell if c.worse]),
    ):
        if names:
            sentences.append(f"{word} than the champion by itself on {', '.join(names)}.")
    if suspicious:
        sentences.append(f"Suspicious: {'; '.join(suspicious)}.")
    return " ".join(sentences)


def describe_passed_over(recipe: str, best: str, reason: str) -> str:
    """The verdict on a challenger that passed where another gained more."""
    promoted = _OPENINGS["promote"].format(recipe=recipe)
    instead = (
        f"{recipe} is better than the champion and every other opponent, but the gain of {best} is "
        "shown best: that one is promoted, and the next round compares the two."
    )
    return reason.replace(promoted, instead)


def describe_absence(lacking: Sequence[str]) -> str:
    """The opponents that a challenger did not meet."""
    return f"It did not meet {'; '.join(lacking)}."


def describe_look(look: Look) -> str:
    """What the look cost."""
    many = f"{len(look.field)} recipes" if len(look.field) > 1 else "one recipe"
    why = "new to it" if look.is_entry else "as before on longer evidence"
    return (
        f"This look judged {many} at once, {why}; it took {look.entry_cost + look.growth_cost:.2%} "
        f"of the {LEVEL:.0%} between two promotions, {look.left:.2%} is left."
    )


def describe_chance(gain: float, champion: str, chance: float) -> str:
    """What this evidence would show."""
    return (
        f"A new recipe that is {gain:.0%} better than {champion} would be promoted with a chance "
        f"of {chance:.0%} within a year."
    )


def _describe_contest(contest: Contest) -> str:
    if contest.skill == 0.0 == contest.comparison.diebold_mariano.error:
        return f"It forecasts exactly what {contest.opponent} does."
    outcome = "shown" if contest.shown else "not shown"
    return (
        f"CRPS against {contest.opponent}: {contest.skill:+.2%}, {outcome} (this sample shows "
        f"{contest.needed:.2%} or more; p = {contest.p_value:.4f}, {contest.level:.4f} needed)."
    )
