"""The ingestion engine: fetch, land, parse, screen, commit."""

from cbi_pipeline.ingest._client import Client, Patience
from cbi_pipeline.ingest._clock import accept_clock, require_clock
from cbi_pipeline.ingest._deliver import deliver, live_series
from cbi_pipeline.ingest._engine import (
    END_OF_TIME,
    Fetched,
    IngestReport,
    Prepared,
    TableRuleBroken,
    commit,
    land,
    prepare,
    require,
)
from cbi_pipeline.ingest._faults import Fault, FaultEvent, FaultLog
from cbi_pipeline.ingest._files import read_file
from cbi_pipeline.ingest._health import (
    FamilyAge,
    FeedHealth,
    check_feeds,
    note_staleness,
    why_not_asked,
)
from cbi_pipeline.ingest._held import Held
from cbi_pipeline.ingest._import import import_csv
from cbi_pipeline.ingest._live import (
    deliver_live,
    fault_log,
    land_live,
    live_feed,
    live_feeds,
    pricing_feeds,
    require_live_home,
    secret_of,
)
from cbi_pipeline.ingest._night import Landed, LandedPull, land_night
from cbi_pipeline.ingest._offline import ParsedFile, parse_file
from cbi_pipeline.ingest._rebuild import RebuildRefused, Rebuilt, rebuild
from cbi_pipeline.ingest._redate import CLOCK, correct_dates, describe_corrections
from cbi_pipeline.ingest._retry import Retried, retry, retry_quarantined
from cbi_pipeline.ingest._screen import Screened, SeriesMeta, screen
from cbi_pipeline.ingest._series import archive_series
from cbi_pipeline.ingest._verify import verify_ledger, verify_warehouse

__all__ = [
    "CLOCK",
    "END_OF_TIME",
    "Client",
    "FamilyAge",
    "Fault",
    "FaultEvent",
    "FaultLog",
    "FeedHealth",
    "Fetched",
    "Held",
    "IngestReport",
    "Landed",
    "LandedPull",
    "ParsedFile",
    "Patience",
    "Prepared",
    "RebuildRefused",
    "Rebuilt",
    "Retried",
    "Screened",
    "SeriesMeta",
    "TableRuleBroken",
    "accept_clock",
    "archive_series",
    "check_feeds",
    "commit",
    "correct_dates",
    "deliver",
    "deliver_live",
    "describe_corrections",
    "fault_log",
    "import_csv",
    "land",
    "land_live",
    "land_night",
    "live_feed",
    "live_feeds",
    "live_series",
    "note_staleness",
    "parse_file",
    "prepare",
    "pricing_feeds",
    "read_file",
    "rebuild",
    "require",
    "require_clock",
    "require_live_home",
    "retry",
    "retry_quarantined",
    "screen",
    "secret_of",
    "verify_ledger",
    "verify_warehouse",
    "why_not_asked",
]
