"""One way in for every source: land, stage, validate, commit; replay, retry, health, incidents."""

from cbi_pipeline.ingest._clock import CLOCK, accept_clock, describe_corrections, require_clock
from cbi_pipeline.ingest._commit import IngestReport, commit, deliver
from cbi_pipeline.ingest._health import (
    FamilyAge,
    FeedHealth,
    check_feeds,
    note_staleness,
    why_not_asked,
)
from cbi_pipeline.ingest._import import Mode, import_file, import_files
from cbi_pipeline.ingest._incidents import Fault, FaultEvent, FaultLog
from cbi_pipeline.ingest._land import Landed, land_files, land_night
from cbi_pipeline.ingest._rebuild import RebuildRefused, Rebuilt, rebuild
from cbi_pipeline.ingest._replay import RULES
from cbi_pipeline.ingest._retry import retry_quarantined
from cbi_pipeline.ingest._sources import (
    asked_series,
    deliver_live,
    fault_log,
    file_sources,
    land_live,
    live_feed,
    live_feeds,
    note_asked,
    parse_file,
    pricing_feeds,
    profile_feeds,
    profile_sources,
    require_live_home,
)
from cbi_pipeline.ingest._validate import Judged, TableRuleBroken, judge, require_usable
from cbi_pipeline.ingest._verify import verify_ledger, verify_warehouse

__all__ = [
    "CLOCK",
    "RULES",
    "FamilyAge",
    "Fault",
    "FaultEvent",
    "FaultLog",
    "FeedHealth",
    "IngestReport",
    "Judged",
    "Landed",
    "Mode",
    "RebuildRefused",
    "Rebuilt",
    "TableRuleBroken",
    "accept_clock",
    "asked_series",
    "check_feeds",
    "commit",
    "deliver",
    "deliver_live",
    "describe_corrections",
    "fault_log",
    "file_sources",
    "import_file",
    "import_files",
    "judge",
    "land_files",
    "land_live",
    "land_night",
    "live_feed",
    "live_feeds",
    "note_asked",
    "note_staleness",
    "parse_file",
    "pricing_feeds",
    "profile_feeds",
    "profile_sources",
    "rebuild",
    "require_clock",
    "require_live_home",
    "require_usable",
    "retry_quarantined",
    "verify_ledger",
    "verify_warehouse",
    "why_not_asked",
]
