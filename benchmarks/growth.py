"""What a night adds to a home, and what it takes, on homes of one, three and five years.

    python -m benchmarks.growth                    # eight commodities, five nights a home
    python -m benchmarks.growth --years 1 5 --nights 2
    python -m benchmarks.growth --quick --json -   # two commodities, two nights; a line of JSON

Each home follows the live profile against services on loopback that publish generated records. Its
first run goes through the product; then the forecasts of every earlier night of its years are put
into its ledger at once, and a night scores them. After that come the nights that count, each on an
evening of its own: every price has one more session, the session of the evening before has its
feature row, and ``cbi run`` brings them into the report in a process of its own. A round of the
walk-forward follows, which a home does once a week. The champion is a statistical model, so that
what is measured is the record and not the training of networks.

Bytes are those of files. What stays out: a registry of years, and a Dagster database of years; both
hold the runs measured alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from time import monotonic

from benchmarks.nights import issue_years
from cbi_pipeline.catalogue import Commodity, load_catalogue
from cbi_pipeline.defs.plots import KEPT
from cbi_pipeline.operations.pipeline import ZONE
from cbi_pipeline.settings import PROJECT_ROOT, Settings
from cbi_pipeline.warehouse import Warehouse
from tests.feed_servers.server import FeedServer
from tests.feed_servers.world import World, world

YEARS, QUICK_YEARS = (1, 3, 5), (1, 2)
NIGHTS, QUICK_NIGHTS = 5, 2
QUICK_COMMODITIES = ("wti", "brent")
#: Records are older than the home: a model has to have something to learn from.
YEARS_BEFORE = 2
NIGHTS_A_YEAR, ROUNDS_A_YEAR = 252, 52
HORIZON_YEARS, LIMIT_GB = 5, 10
CATALOGUE = """
[evaluation]
founder = "ewma"
challengers = ["har"]
baselines = ["climatology", "ewma", "prior"]
"""
CLOCK = """
import sys
from datetime import datetime
from benchmarks.clock import set_clock
set_clock(datetime.fromisoformat(sys.argv[1]))
"""
NIGHT = f"""{CLOCK}
from cbi_pipeline.cli import main
sys.argv[1:] = ["run"]
main()
"""
ROUND = f"""{CLOCK}
from cbi_pipeline.commands.instance import open_instance
from cbi_pipeline.commands.run import QUIET, plan_launches
from cbi_pipeline.operations.pipeline import Pipeline
pipeline = Pipeline.from_environment()
instance = open_instance(pipeline.settings)
from cbi_pipeline.definitions import defs
tags = plan_launches(pipeline, instance)["evaluate"]["tags"]
job = defs().resolve_job_def("evaluate")
with pipeline.warehouse.publish_at_end():
    assert job.execute_in_process(instance=instance, run_config=QUIET, tags=tags).success
"""
#: When prices of the day before are out, and when a night begins, at the desk.
PUBLISHED, BEGINS = time(18), time(20)
#: How long after the last night the round begins.
LATER = timedelta(hours=1)
#: Tables whose rows a night adds in a number that no history changes.
COUNTED = ("raw.observation", "market.session", "features.origin", "issued.forecast")


@dataclass(frozen=True)
class Run:
    """One run of a home, and what it added.

    Attributes:
        seconds: wall clock.
        cpu_s: seconds of processor.
        peak_mb: most memory that its process had.
        rows: rows added, by table.
        bytes: bytes added, by folder of the home.
    """

    seconds: float
    cpu_s: float
    peak_mb: int
    rows: Mapping[str, int]
    bytes: Mapping[str, int]

    @property
    def total(self) -> int:
        """Bytes added."""
        return sum(self.bytes.values())


@dataclass(frozen=True)
class Growth:
    """A home of some years.

    Attributes:
        years: how long it has issued forecasts.
        size_mb: its files before the nights.
        nights: the nights, in turn.
        round: a round of the walk-forward after them.
    """

    years: int
    size_mb: int
    nights: tuple[Run, ...]
    round: Run

    @property
    def night_bytes(self) -> float:
        """Bytes that a night adds, on average: files grow in blocks."""
        return sum(night.total for night in self.nights) / len(self.nights)

    @property
    def five_years_gb(self) -> float:
        """What five years of nights and rounds would add."""
        year = NIGHTS_A_YEAR * self.night_bytes + ROUNDS_A_YEAR * self.round.total
        return HORIZON_YEARS * year / 1e9

    @property
    def peak_mb(self) -> int:
        """Most memory of a night."""
        return max(night.peak_mb for night in self.nights)


def measure(folder: Path, years: int, nights: int, only: tuple[str, ...]) -> Growth:
    """Make a home of some years, and spend some nights in it."""
    catalogue = folder / "catalogue.toml"
    catalogue.write_text(describe_catalogue(only))
    followed = load_catalogue(catalogue, profile="live").commodities
    with publish(years + YEARS_BEFORE, followed, nights + 2) as (services, evenings):
        home = Home(folder / ".cbi", services, catalogue)
        grow_old(home, years, followed, evenings[:2])
        size = sum(home.sizes().values())
        runs = tuple(home.run(NIGHT, evening) for evening in evenings[2:])
        return Growth(years, size // 1_000_000, runs, home.run(ROUND, evenings[-1] + LATER))


def grow_old(
    home: Home, years: int, followed: tuple[Commodity, ...], evenings: Sequence[datetime]
) -> None:
    """Spend a night in a new home, put years before it into its ledger, and score them in another.

    Args:
        home: of no night yet.
        years: how many.
        followed: its commodities.
        evenings: when the two nights begin.
    """
    founded, scored = evenings
    home.run(NIGHT, founded)
    first = founded.date() - timedelta(days=365 * years)
    issue_years(Warehouse(home.settings.warehouse_dir), home.settings.issued_dir, followed, first)
    home.run(NIGHT, scored)
    home.level_snapshots()
    home.level_plots()


def describe_catalogue(only: tuple[str, ...]) -> str:
    """The shipped catalogue with statistical models, and some commodities alone where wanted."""
    if not only:
        return CATALOGUE
    shipped = load_catalogue(profile="live").commodities
    dropped = [f"commodity.{one.id}" for one in shipped if one.id not in only]
    return f"remove = {json.dumps(dropped)}\n{CATALOGUE}"


@contextmanager
def publish(
    years: int, followed: tuple[Commodity, ...], nights: int
) -> Iterator[tuple[World, list[datetime]]]:
    """Services with records of some years, and the evenings of the newest sessions that they have.

    A price is out on the day after its session; everything else when its publisher's rule says.
    """
    codes = {commodity.price_series.removeprefix("EIA.") for commodity in followed}
    with world(years) as services:
        start = datetime.now(UTC).date() - timedelta(days=365 * years)
        for publisher in (services.eia.publisher, services.cftc.publisher):
            publisher.events[:] = [event for event in publisher.events if event[2] >= start]
        prices = services.eia.publisher
        prices.events[:] = [
            (evening_after(day, PUBLISHED) if code in codes else at, code, day, text)
            for at, code, day, text in prices.events
        ]
        days = sorted({day for _, code, day, _ in prices.events if code in codes})[-nights:]
        yield services, [evening_after(day, BEGINS) for day in days]


def evening_after(day: date, hour: time) -> datetime:
    """An hour of the desk's day that follows a session."""
    return datetime.combine(day + timedelta(days=1), hour, ZONE).astimezone(UTC)


class Home:
    """A private folder of the product, run in processes of their own."""

    def __init__(self, path: Path, services: World, catalogue: Path) -> None:
        self.settings = Settings(_env_file=None, home=path)
        self._services = services
        self._environment = os.environ | {
            "CBI_HOME": str(path),
            "CBI_PROFILE": "live",
            "CBI_CATALOGUE_FILE": str(catalogue),
            "CBI_FEED_URLS": json.dumps({"eia": services.eia.url, "cftc": services.cftc.base}),
            "EIA_API_KEY": services.eia.key,
        }

    def run(self, program: str, now: datetime) -> Run:
        """Run a program at an hour of its own, and see what it cost.

        Raises:
            RuntimeError: it failed; says what it said.
        """
        FeedServer.hour = now
        for service in (self._services.eia, self._services.cftc):
            service.publisher.now = now
        sizes, rows, began = self.sizes(), self.rows(), monotonic()
        with tempfile.TemporaryFile("w+") as said:
            child = subprocess.Popen(
                [sys.executable, "-c", program, now.isoformat()],
                cwd=PROJECT_ROOT,
                env=self._environment,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                said.seek(0)
                raise RuntimeError(f"exit code {child.returncode}: {said.read()}")
        return Run(
            seconds=round(monotonic() - began, 1),
            cpu_s=round(used.ru_utime + used.ru_stime, 1),
            peak_mb=used.ru_maxrss // 1024,
            rows={name: count - rows.get(name, 0) for name, count in self.rows().items()},
            bytes={name: size - sizes.get(name, 0) for name, size in self.sizes().items()},
        )

    def level_snapshots(self) -> None:
        """Make every snapshot that is kept as large as the newest, as they are after some nights.

        One from before years were put there would grow by all of them.
        """
        published = Warehouse(self.settings.warehouse_dir).published
        newest = (published / "current").resolve()
        for snapshot in published.glob("*.duckdb"):
            if snapshot != newest and not snapshot.is_symlink():
                shutil.copyfile(newest, snapshot)

    def level_plots(self) -> None:
        """Make as many of every plot as are kept, as there are after some weeks."""
        for folder in {path.parent for path in self.settings.plots_dir.rglob("*.png")}:
            newest = next(folder.glob("*.png"))
            for number in range(KEPT - len(list(folder.glob("*.png")))):
                older = folder / f"earlier-{number}.png"
                shutil.copyfile(newest, older)
                os.utime(older, (number, number))

    def sizes(self) -> dict[str, int]:
        """Bytes of the files of the home, by folder; the database beside its snapshots."""
        sizes: dict[str, int] = {}
        for path in self.settings.home.rglob("*"):
            if path.is_file() and not path.is_symlink():
                parts = path.relative_to(self.settings.home).parts
                name = "published" if "published" in parts else parts[0]
                sizes[name] = sizes.get(name, 0) + path.stat().st_size
        return sizes

    def rows(self) -> dict[str, int]:
        """Rows of the tables that are counted."""
        if not self.settings.warehouse_dir.exists():
            return {}
        with Warehouse(self.settings.warehouse_dir).read() as store:
            return {
                name: store.query(f"SELECT count(*) AS n FROM {name}")["n"][0] for name in COUNTED
            }


def describe(homes: list[Growth]) -> dict[str, object]:
    """Every figure, and what follows from them."""
    first, last = homes[0], homes[-1]
    return {
        "homes": [asdict(home) for home in homes],
        "night_bytes": {home.years: round(home.night_bytes) for home in homes},
        "five_years_gb": {home.years: round(home.five_years_gb, 2) for home in homes},
        "peak_ratio": round(last.peak_mb / first.peak_mb, 3),
        "cpu_ratio": round(median_cpu(last) / median_cpu(first), 3),
        "limit_gb": LIMIT_GB,
    }


def median_cpu(home: Growth) -> float:
    """Seconds of processor of the middle night."""
    return sorted(night.cpu_s for night in home.nights)[len(home.nights) // 2]


def print_table(homes: list[Growth]) -> None:
    """One line a home, then what a night adds where."""
    print(
        "years  home MB  night MB  round MB  five years GB  peak MB  night s (cpu)  round s (cpu)"
    )
    for home in homes:
        print(
            f"{home.years:5}  {home.size_mb:7,}  {home.night_bytes / 1e6:8.2f}"
            f"  {home.round.total / 1e6:8.2f}  {home.five_years_gb:10.2f}  {home.peak_mb:7,}"
            f"  {median_cpu(home):13.1f}  {home.round.cpu_s:13.1f}"
        )
    names = sorted({name for home in homes for name in home.round.bytes})
    print("\nkB a night".ljust(17) + "".join(f"{home.years:9} y" for home in homes))
    for name in names:
        means = [
            sum(night.bytes.get(name, 0) for night in home.nights) / len(home.nights) / 1e3
            for home in homes
        ]
        print(f"{name:16}" + "".join(f"{mean:11,.1f}" for mean in means))


def main() -> None:
    """Measure every home and print it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true", help="two small homes")
    options.add_argument("--json", type=Path, help="write the figures there; - prints them")
    options.add_argument("--years", type=int, nargs="+", default=YEARS, help="ages of the homes")
    options.add_argument("--nights", type=int, default=NIGHTS, help="nights that are measured")
    chosen = options.parse_args()
    nights, only = (QUICK_NIGHTS, QUICK_COMMODITIES) if chosen.quick else (chosen.nights, ())
    homes = []
    for years in QUICK_YEARS if chosen.quick else chosen.years:
        with tempfile.TemporaryDirectory() as folder:
            homes.append(measure(Path(folder), years, nights, only))
    text = json.dumps(describe(homes))
    if str(chosen.json) == "-":
        print(text)
        return
    if chosen.json:
        chosen.json.write_text(text + "\n")
    print_table(homes)


if __name__ == "__main__":
    main()
