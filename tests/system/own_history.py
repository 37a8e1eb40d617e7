"""A commodity that is priced by a history of one's own, and its import."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cbi_pipeline.market import sessions
from tests.system.homes import Home

OWN = """
[[commodity]]
id = "cpo"
name = "Palm oil"
unit = "USD/t"
price_series = "DESK.CPO"
calendar = "eia_spot_daily"
sessions_per_year = 252
horizons = { "1w" = 5, "1m" = 21, "1q" = 63 }
liquid = true
stale_after_days = 21

"""
TODAY = datetime.now(UTC).date()
DAYS = sessions("eia_spot_daily", TODAY - timedelta(days=1_200), TODAY - timedelta(days=2))


def history(path: Path, changed: dict[date, float]) -> Path:
    prices = {day: 800 + 90 * ((37 * n * n) % 101 / 101) for n, day in enumerate(DAYS)} | changed
    lines = [f"{day},{price:.2f}\n" for day, price in prices.items()]
    path.write_text("period,value\n" + "".join(lines))
    return path


def imported(home: Home, file: Path) -> datetime:
    """When everything of the import had been seen."""
    said = home.cbi(
        *("feeds", "import", "csv", str(file), "--series", "DESK.CPO", "--unit", "USD/t"),
        *("--source", "desk settlement book"),
    )
    assert said.returncode == 0, said.stderr
    return datetime.now(UTC)
