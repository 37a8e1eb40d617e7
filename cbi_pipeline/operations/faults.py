"""What fails in a night beside the feeds: noted once, alerted once, closed when it works again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar, get_args

from cbi_pipeline.catalogue import Commodity
from cbi_pipeline.ingest import Fault, fault_log
from cbi_pipeline.operations.pipeline import Pipeline

#: Made of each commodity by itself; a fault of one is noted under the commodity's id and this word.
Step = Literal["prices", "features", "targets"]
Made = TypeVar("Made")
REMEDY = "The rest of the night went on; the next one tries again"


def failure(error: BaseException) -> str:
    """An error in words: its own, after the kind of it where they alone would not tell."""
    words = " ".join(str(error).split()) or "no reason was given"
    return (
        words
        if type(error).__module__.startswith("cbi_pipeline")
        else (f"{type(error).__name__}: {words}")
    )


def note_fault(pipeline: Pipeline, subject: str, problem: str | None) -> None:
    """Open the fault of a subject, or close it where there is no problem.

    One that stands already, in these words or others, is no news.
    """
    faults = [Fault(subject, "*", "Failed", problem, REMEDY)] if problem is not None else []
    fault_log(pipeline.settings).settle(subject, faults, pipeline.now())


def make_each(pipeline: Pipeline, step: Step, make: Callable[[Commodity], Made]) -> dict[str, Made]:
    """What a step makes of each commodity; one that fails is a fault of its own, the others go on.

    Args:
        pipeline: whose commodities, and where faults are noted.
        step: what is made.
        make: makes it of one commodity.

    Returns:
        What was made, by commodity that did not fail.
    """
    frames = {}
    for commodity in pipeline.catalogue.commodities:
        subject = f"{commodity.id} {step}"
        try:
            frames[commodity.id] = make(commodity)
        except Exception as error:
            words = f"the {step} of {commodity.name} cannot be made: {failure(error)}"
            note_fault(pipeline, subject, words)
        else:
            note_fault(pipeline, subject, None)
    close_others(
        pipeline, step, {f"{commodity.id} {step}" for commodity in pipeline.catalogue.commodities}
    )
    return frames


def all_made(pipeline: Pipeline) -> bool:
    """Whether every step was made of every commodity last time."""
    log, commodities = fault_log(pipeline.settings), pipeline.catalogue.commodities
    return not any(
        log.open(f"{commodity.id} {step}") for commodity in commodities for step in get_args(Step)
    )


def close_others(pipeline: Pipeline, kind: str, kept: set[str]) -> None:
    """Close the open faults of a kind whose subjects are no longer there to be mended.

    Args:
        pipeline: where they are noted.
        kind: last word of their subjects.
        kept: subjects that still are.
    """
    log = fault_log(pipeline.settings)
    for subject in sorted({event.feed for event in log.events()} - kept):
        if subject.endswith(f" {kind}"):
            log.settle(subject, [], pipeline.now())
