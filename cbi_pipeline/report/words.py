"""The report's sentences on outlooks, the gate and what moved."""

from __future__ import annotations

from cbi_pipeline.report import formats
from cbi_pipeline.report.morning import Morning, Outlook, Page

_VERDICTS = {
    "promote": "Promoted: it takes over.",
    "keep": "Kept: the champion stays.",
    "no_skill": "No skill shown: the champion stays.",
    "abstain": "No decision: too little evidence.",
    "too_good": "Refused: too good to be believed without an explanation.",
    "first": "First version: champion by construction.",
    "rollback": "Rolled back to an earlier version.",
    "refresh": "Refreshed: tonight's version takes over.",
    "hold": "Held back: the version in use stays.",
}


def gate(verdict: str) -> str:
    """The gate's outcome as a sentence."""
    return _VERDICTS[verdict]


def banner(morning: Morning) -> str:
    """The words over a report on closed historical records."""
    return f"historical demonstration, data as of {formats.instant(morning.as_of)}"


def no_learned_skill(morning: Morning) -> bool:
    """True when the registry says so of the version that spoke."""
    return morning.model is not None and "no learned skill" in morning.model.note.lower()


def outlook(page: Page, one: Outlook) -> str:
    """The key message of one forecast."""
    low, high = one.band(80)
    return (
        f"{formats.horizon(one.horizon).capitalize()} after its last price, on "
        f"{formats.day(one.target)}, the price lies between {formats.price(low, page.unit)} and "
        f"{formats.money(high, page.unit)} with 80{formats.NARROW}% probability, and above the "
        f"last price with {formats.percent(one.up)}."
    )


def moved(page: Page) -> str:
    """What changed since the forecast before, in one sentence."""
    before = page.before
    if before is None or page.price is None or page.origin is None:
        return "This is the first live forecast of this commodity."
    then = formats.day(formats.desk_day(before.as_of))
    if before.origin == page.origin:
        return f"No new price since the forecast of {then}: its origin is carried on."
    gap = formats.change(page.price - before.price, page.unit, page.price)
    return (
        f"Since the forecast of {then} the last price moved by {gap} {page.unit}: from "
        f"{formats.price(before.price, page.unit)} ({formats.day(before.origin)}) to "
        f"{formats.price(page.price, page.unit)} ({formats.day(page.origin)})."
    )
