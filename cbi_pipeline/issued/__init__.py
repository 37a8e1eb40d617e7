"""Issued forecasts: what was said, in a chain no one rewrites unseen, and how it turned out."""

from cbi_pipeline.issued.abstain import abstentions, closed_records, staleness
from cbi_pipeline.issued.chain import GENESIS, canonical, chain, row_hash
from cbi_pipeline.issued.counting import counted, desk_day, uncounted
from cbi_pipeline.issued.forecasts import calendar_target, from_model, from_walk_forward, rows
from cbi_pipeline.issued.ledger import Head, IssuedLedger, LedgerBroken
from cbi_pipeline.issued.plain_file import verify
from cbi_pipeline.issued.scoring import score

__all__ = [
    "GENESIS",
    "Head",
    "IssuedLedger",
    "LedgerBroken",
    "abstentions",
    "calendar_target",
    "canonical",
    "chain",
    "closed_records",
    "counted",
    "desk_day",
    "from_model",
    "from_walk_forward",
    "row_hash",
    "rows",
    "score",
    "staleness",
    "uncounted",
    "verify",
]
