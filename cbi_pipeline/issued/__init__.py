"""Issued forecasts: what was said, in a chain no one rewrites unseen, and how it turned out."""

from cbi_pipeline.issued.abstain import closed_records, staleness
from cbi_pipeline.issued.forecasts import (
    calendar_target,
    from_model,
    from_walk_forward,
    read_origins,
    rows,
)
from cbi_pipeline.issued.ledger import IssuedLedger, LedgerBroken
from cbi_pipeline.issued.newest_value import describe_unconfirmed, open_refusals
from cbi_pipeline.issued.scoring import find_changed, score
from cbi_pipeline.issued.status import (
    ABSTAINS,
    CANNOT,
    FORECAST,
    FOUNDING,
    FOUNDING_WORDS,
    SUBJECT,
    WAITS,
    Status,
    abstentions,
    find_statuses,
    newest_statuses,
    note_faults,
    open_faults,
)

__all__ = [
    "ABSTAINS",
    "CANNOT",
    "FORECAST",
    "FOUNDING",
    "FOUNDING_WORDS",
    "SUBJECT",
    "WAITS",
    "IssuedLedger",
    "LedgerBroken",
    "Status",
    "abstentions",
    "calendar_target",
    "closed_records",
    "describe_unconfirmed",
    "find_changed",
    "find_statuses",
    "from_model",
    "from_walk_forward",
    "newest_statuses",
    "note_faults",
    "open_faults",
    "open_refusals",
    "read_origins",
    "rows",
    "score",
    "staleness",
]
