"""What fails in a night beside the feeds: noted once, alerted once, closed when it works again."""

from __future__ import annotations

from cbi_pipeline.defs.pipeline import Pipeline
from cbi_pipeline.ingest import Fault, fault_log

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
