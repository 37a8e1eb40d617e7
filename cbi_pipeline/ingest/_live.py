"""The live feeds of the settings: which there are, their keys, one night of each."""

from __future__ import annotations

import httpx
from pydantic import SecretStr

from cbi_pipeline.feeds import cftc, eia
from cbi_pipeline.feeds.live import LiveFeed
from cbi_pipeline.ingest._client import Patience
from cbi_pipeline.ingest._deliver import deliver
from cbi_pipeline.ingest._engine import IngestReport
from cbi_pipeline.ingest._faults import FaultLog
from cbi_pipeline.ingest._night import Landed, land_night
from cbi_pipeline.ledger import Ledger
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Warehouse


def live_feeds(settings: Settings) -> dict[str, LiveFeed]:
    """The live feeds by name, at the addresses the settings give."""
    feeds = (eia.feed(settings.eia_url), cftc.feed(settings.cftc_url))
    return {feed.name: feed for feed in feeds}


def live_feed(settings: Settings, name: str) -> LiveFeed:
    """The live feed of that name.

    Raises:
        ValueError: no such feed; the message lists those there are.
    """
    feeds = live_feeds(settings)
    if name not in feeds:
        raise ValueError(f"no live feed {name!r}; live feeds: {', '.join(feeds)}")
    return feeds[name]


def secret_of(settings: Settings, name: str) -> SecretStr | None:
    """The key of a live feed; None when it is not set."""
    return {"eia": settings.eia_api_key, "cftc": settings.cftc_app_token}[name]


def fault_log(settings: Settings) -> FaultLog:
    """What is wrong with the live feeds, and since when."""
    return FaultLog(settings.ledger_dir)


def land_live(
    settings: Settings,
    name: str,
    *,
    patience: Patience | None = None,
    transport: httpx.BaseTransport | None = None,
) -> Landed:
    """Ask a live feed what is due tonight and land every answer; see :func:`land_night`."""
    settings.make_home()
    return land_night(
        live_feed(settings, name),
        secret_of(settings, name),
        Ledger(settings.ledger_dir),
        Warehouse(settings.warehouse_dir),
        settings.clock.now(),
        patience=patience,
        transport=transport,
    )


def deliver_live(settings: Settings, landed: Landed) -> IngestReport:
    """Judge what was landed, write what is new, publish it, note what is wrong."""
    return deliver(
        live_feed(settings, landed.feed),
        landed,
        Ledger(settings.ledger_dir),
        Warehouse(settings.warehouse_dir),
        fault_log(settings),
    )
