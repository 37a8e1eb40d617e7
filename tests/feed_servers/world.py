"""Everything the profiles public and live follow, published on loopback up to today."""

import json
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cbi_pipeline.feeds.cftc_series import SERIES as COT
from cbi_pipeline.feeds.eia_series import SERIES as EIA
from cbi_pipeline.feeds.worldbank import SERIES as PINK_SHEET
from data_contracts.families import family
from tests.feed_servers.cftc_server import CftcServer, report_row
from tests.feed_servers.eia_history_server import EiaHistoryServer
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.worldbank_server import WorldBankServer

LEVELS = {"USD/bbl": 70.0, "USD/gal": 2.1, "USD/MMBtu": 3.0, "kb": 400_000.0, "kb/d": 9_000.0}
LEVELS |= {"percent": 88.0, "Bcf": 2_500.0, "USD/t": 900.0, "USD/oz": 2_000.0}

CATALOGUE = """
remove = ["commodity"]

[feed.cftc]
keep = "every service of this world is asked"

[evaluation]
years = 1
origins = 8
refits = "yearly"
"""
COMMODITY = """
[[profile.public.commodity]]
id = "{name}"
name = "{name}"
unit = "{unit}"
price_series = "{series}"
calendar = "eia_spot_daily"
sessions_per_year = 252
horizons = {{ "1w" = 5 }}
liquid = true
stale_after_days = 21
"""


@dataclass
class World:
    eia: EiaServer
    cftc: CftcServer
    history: EiaHistoryServer
    bank: WorldBankServer

    def variables(
        self, folder: Path, profile: str = "live", **commodities: tuple[str, str]
    ) -> dict[str, str]:
        """Environment of an installation that follows ``name=(unit, series)``."""
        entries = [
            COMMODITY.format(name=name, unit=unit, series=series)
            for name, (unit, series) in commodities.items()
        ]
        catalogue = folder / "catalogue.toml"
        catalogue.write_text(CATALOGUE + "".join(entries))
        addresses = {
            "eia": self.eia.url,
            "cftc": self.cftc.base,
            "eia_history": self.history.base,
            "worldbank": self.bank.base,
        }
        return {
            "CBI_PROFILE": profile,
            "CBI_FEED_URLS": json.dumps(addresses),
            "CBI_CATALOGUE_FILE": str(catalogue),
            "EIA_API_KEY": self.eia.key if profile == "live" else "",
        }


@contextmanager
def world(years: int = 5, key: str = EiaServer.KEY) -> Iterator[World]:
    """Every service, each period published when its contract says, up to now."""
    with (
        EiaServer(key=key) as eia,
        CftcServer() as cftc,
        EiaHistoryServer(eia.publisher) as history,
        WorldBankServer() as bank,
    ):
        now = datetime.now(UTC)
        begin = date(now.year - years, 1, 1)
        for number, one in enumerate(EIA):
            _publish(eia, one, begin, now, random.Random(number))
        for report, code in sorted({(one.group, one.code) for one in COT}):
            release = family(f"cftc_{report}").release
            for day in _days(begin, now.date(), 7, weekday=1):
                if release.rule(day) <= now:
                    row = json.dumps(report_row(report, 90_000 + day.toordinal() % 9_000))
                    cftc.publisher.publish(release.rule(day), (report, code), day, row)
        for number, one in enumerate(PINK_SHEET):
            _publish_months(bank, one, begin, now, random.Random(number))
        yield World(eia, cftc, history, bank)


def _publish(server, one, begin, now, chance):
    from cbi_pipeline.market import sessions

    release, level = family(one.family).release, math.log(LEVELS[one.unit])
    weekly = one.frequency == "weekly"
    days = (
        _days(begin, now.date(), 7, weekday=4)
        if weekly
        else sessions("eia_spot_daily", begin, now.date())
    )
    for day in days:
        if release.rule(day) > now:
            return
        level += chance.gauss(0, 0.002 if weekly else 0.02)
        server.publisher.publish(release.rule(day), one.code, day, f"{math.exp(level):.4f}")


def _publish_months(server, one, begin, now, chance):
    month, level = begin, math.log(LEVELS[one.unit])
    while (at := family(one.family).release.rule(month)) <= now:
        level += chance.gauss(0, 0.05)
        server.publisher.publish(at, one.code, month, f"{math.exp(level):.4f}")
        month = (month + timedelta(days=31)).replace(day=1)


def _days(first, last, step, weekday):
    day = first + timedelta(days=(weekday - first.weekday()) % 7)
    while day <= last:
        yield day
        day += timedelta(days=step)
