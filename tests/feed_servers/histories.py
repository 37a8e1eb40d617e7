"""Whole price histories shaped like the real ones: their years, holidays, holes and odd values.

The numbers are generated; where they begin, which days they lack and which they have against their
calendars follows the real records.
"""

import math
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from cbi_pipeline.feeds.eia_series import SERIES
from cbi_pipeline.market import sessions
from data_contracts.families import family
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.world import LEVELS

NEW_YORK, LONDON = "eia_spot_daily", "london_spot_daily"
#: First day of each record, where the table of series only names the year.
BEGINS = {"RWTC": date(1986, 1, 2), "RBRTE": date(1987, 5, 20), "RNGWHHD": date(1997, 1, 7)}
BEGINS["EER_EPD2DXL0_PF4_Y35NY_DPG"] = date(2006, 6, 14)
#: Two hurricanes shut Henry Hub.
SHUT = date(2005, 9, 22), date(2005, 10, 6)
BLANK = date(2018, 1, 5)
BELOW_ZERO = date(2020, 4, 20)


def publish_histories(server: EiaServer) -> None:
    """Every daily price from its first day up to what is public now, in place of what was there."""
    now, priced = datetime.now(UTC), [one for one in SERIES if one.frequency == "daily"]
    codes = {one.code for one in priced}
    server.publisher.events = [one for one in server.publisher.events if one[1] not in codes]
    release = family("eia_spot_daily").release
    for number, one in enumerate(priced):
        chance, level = random.Random(number), math.log(LEVELS[one.unit])
        for day in _days(one.code, BEGINS.get(one.code, one.since), now.date()):
            if release.rule(day) > now:
                break
            level += chance.gauss(0, 0.02)
            server.publisher.publish(release.rule(day), one.code, day, _text(one.code, day, level))


def _text(code: str, day: date, level: float) -> str | None:
    if (code, day) == ("RWTC", BELOW_ZERO):
        return "-36.98"
    return None if (code, day) == ("RNGWHHD", BLANK) else f"{math.exp(level):.4f}"


def _days(code: str, begins: date, ends: date) -> Iterator[date]:
    london = set(sessions(LONDON, begins, ends))
    new_york = set(sessions(NEW_YORK, begins, ends))
    for offset in range((ends - begins).days + 1):
        day = begins + timedelta(days=offset)
        # From 2007 to 2014 Brent's record kept New York's holidays, before and since London's.
        kept = london if code == "RBRTE" and not 2007 <= day.year <= 2014 else new_york
        if code == "RNGWHHD" and SHUT[0] <= day <= SHUT[1]:
            continue
        # Some holidays of the years from 2011 to 2017 have a price of Henry Hub.
        odd = code == "RNGWHHD" and 2011 <= day.year <= 2017 and day.weekday() == 0
        if day in kept or (odd and day.month in (2, 9)):
            yield day
