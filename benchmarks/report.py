"""What the morning report costs as commodities are added: questions asked, calls made, time taken.

    python -m benchmarks.report                    # 2, 10 and 30 commodities
    python -m benchmarks.report --quick --json -   # 1, 2 and 4, as one line of JSON

Each size has a published warehouse of its own, filled with generated records: five years of daily
prices, twenty nights, a hundred replayed origins at three horizons, an evaluation of six recipes.
Questions and calls are counted, not timed: they are the same on every run and every machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType

import numpy as np
import polars as pl

from cbi_pipeline.catalogue import Catalogue, load_catalogue
from cbi_pipeline.market import sessions
from cbi_pipeline.report import read_report
from cbi_pipeline.report.page import render_report
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Store, Warehouse
from data_contracts import contract

SIZES, QUICK_SIZES = (2, 10, 30), (1, 2, 4)
AS_OF = datetime(2019, 1, 4, 4, tzinfo=UTC)
LEVELS = (0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95)
EVALUATION = "e" * 64
RECIPES = ("anchored_gru", "climatology", "ewma", "garch_t", "gjr_t", "prior")
OPPONENTS = ("climatology", "ewma", "prior")
NIGHTS, ORIGINS, YEARS = 20, 100, 5


@dataclass(frozen=True)
class Cost:
    """What one page cost.

    Attributes:
        commodities: shown on it.
        questions: queries that were asked of the warehouse.
        repeated: queries that were asked more than once, word for word.
        calls: calls of the report's own functions while it was read and rendered.
        reading_s: seconds of processor to read it.
        rendering_s: seconds of processor to render it, charts included.
    """

    commodities: int
    questions: int
    repeated: int
    calls: int
    reading_s: float
    rendering_s: float


class Listening:
    """A store that notes every question that it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.questions: list[str] = []

    def query(self, sql: str, params: Sequence[object] = ()) -> pl.DataFrame:
        """As the store's own."""
        self.questions.append(f"{sql} {params}")
        return self._store.query(sql, params)

    def table(self, name: str, where: str = "", params: Sequence[object] = ()) -> pl.DataFrame:
        """As the store's own."""
        self.questions.append(f"{name} {where} {params}")
        return self._store.table(name, where, params)

    def as_of(self, t: datetime) -> pl.DataFrame:
        """As the store's own."""
        self.questions.append(f"as of {t}")
        return self._store.as_of(t)


def measure(folder: Path, commodities: int) -> Cost:
    """Read and render the page of a generated world, twice: timed, and counted."""
    catalogue = widen(commodities)
    warehouse = publish(folder, catalogue)
    settings = Settings(_env_file=None, profile="archive")
    with warehouse.read() as store:
        read_report(store, catalogue, settings)  # what is imported and kept once is not counted
        listening = Listening(store)
        began = time.process_time()
        report = read_report(listening, catalogue, settings)  # type: ignore[arg-type]
        reading_s = time.process_time() - began
        began = time.process_time()
        render_report(report)
        rendering_s = time.process_time() - began
        with counted_calls() as calls:
            render_report(read_report(store, catalogue, settings))
    return Cost(
        commodities=commodities,
        questions=len(listening.questions),
        repeated=len(listening.questions) - len(set(listening.questions)),
        calls=calls.total(),
        reading_s=round(reading_s, 3),
        rendering_s=round(rendering_s, 3),
    )


@contextmanager
def counted_calls() -> Iterator[Counter[str]]:
    """How often each file of the report is entered inside, drawing aside."""
    seen: Counter[str] = Counter()

    def note(frame: FrameType, event: str, argument: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and "/report/" in file and "/charts/" not in file:
            seen[file] += 1

    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(None)


def widen(commodities: int) -> Catalogue:
    """The shipped catalogue with as many copies of one daily market as are asked for."""
    shipped = load_catalogue(profile="archive")
    daily = shipped.commodity("wti")
    markets = tuple(
        daily.model_copy(
            update={"id": f"m{number:02d}", "name": f"Market {number:02d}", "related": None}
        )
        for number in range(commodities)
    )
    return shipped.model_copy(update={"commodities": markets})


def publish(folder: Path, catalogue: Catalogue) -> Warehouse:
    """A published warehouse with everything that the page reads of a catalogue's commodities."""
    warehouse = Warehouse(folder / "warehouse")
    names = pl.DataFrame({"commodity": [one.id for one in catalogue.commodities]})
    horizons = pl.DataFrame({"horizon": list(catalogue.commodities[0].horizons.values())})
    prices = generate_prices(catalogue)
    issued = pl.concat([issue_live(prices, horizons), issue_replays(prices, horizons)])
    issued = issued.with_columns(sequence=pl.int_range(1, pl.len() + 1))
    labels = [*catalogue.commodities[0].horizons, "*"]
    with warehouse.write() as store, store.transaction():
        store.append("market.session", prices)
        store.append("issued.forecast", fit("issued.forecast", issued))
        store.replace("issued.score", score_replays(issued, prices))
        store.append("evaluation.score", generate_scores(names, labels))
        store.append("registry.decision", fit("registry.decision", pl.DataFrame([DECISION])))
        store.append("registry.version", fit("registry.version", pl.DataFrame([VERSION])))
        store.replace("ref.series", fit("ref.series", pl.DataFrame([SERIES])))
        store.append("raw.observation", observe(prices))
    warehouse.publish()
    return warehouse


def fit(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of a table's contract, in its types; those that the frame lacks are null."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in contract(table).dtypes.items()
    )


def generate_prices(catalogue: Catalogue) -> pl.DataFrame:
    """Five years of daily prices per commodity, a random walk of their logarithms."""
    one = catalogue.commodities[0]
    last = date(2019, 1, 3)
    days = sessions(one.calendar, last.replace(year=last.year - YEARS), last)
    steps = np.random.default_rng(3).normal(0, 0.02, (len(catalogue.commodities), len(days)))
    walks = 60 * np.exp(np.cumsum(steps, axis=1))
    frames = [
        pl.DataFrame({"session": days, "price": walk}).with_columns(commodity=pl.lit(own.id))
        for own, walk in zip(catalogue.commodities, walks, strict=True)
    ]
    public = pl.col("session").cast(pl.Datetime("us", "UTC")) + timedelta(hours=22)
    return fit(
        "market.session",
        pl.concat(frames).with_columns(
            version=1,
            roll=pl.lit(value=False),
            held_instrument=pl.lit(one.price_series),
            available_at=public,
            available_basis=pl.lit("assumed"),
        ),
    )


def issue_live(prices: pl.DataFrame, horizons: pl.DataFrame) -> pl.DataFrame:
    """Twenty nights of forecasts, one a session, of the version in use."""
    newest = prices.group_by("commodity", maintain_order=True).tail(NIGHTS)
    return issue(newest, horizons).with_columns(track=pl.lit("live"), model_version=pl.lit("1"))


def issue_replays(prices: pl.DataFrame, horizons: pl.DataFrame) -> pl.DataFrame:
    """A hundred weekly origins of the prior whose targets came."""
    past = prices.with_columns(number=pl.int_range(pl.len()).over("commodity"))
    last = pl.len().over("commodity") - 64 - pl.col("number")
    origins = past.filter((last >= 0) & (last % 5 == 0)).drop("number")
    chosen = origins.group_by("commodity", maintain_order=True).tail(ORIGINS)
    return issue(chosen, horizons).with_columns(
        track=pl.lit("replay"), model_version=pl.lit("prior@2018")
    )


def issue(origins: pl.DataFrame, horizons: pl.DataFrame) -> pl.DataFrame:
    """A forecast from each origin at each horizon, as wide as the root of its length."""
    levels = pl.DataFrame({"quantile": LEVELS, "z": np.linspace(-1.6, 1.6, len(LEVELS))})
    every = origins.join(horizons, how="cross").join(levels, how="cross")
    value = pl.col("z") * 0.02 * pl.col("horizon").cast(pl.Float64).sqrt()
    return every.select(
        "commodity",
        "horizon",
        "quantile",
        as_of=pl.col("available_at") + timedelta(hours=5),
        issued_at=pl.col("available_at") + timedelta(hours=6),
        origin_session="session",
        target_session=pl.col("session").dt.offset_by(
            pl.format("{}d", (pl.col("horizon") * 7) // 5)
        ),
        origin_price="price",
        value=value,
        price=pl.col("price") * value.exp(),
        up=pl.lit(0.5),
        volatility=pl.lit(0.1),
        state=pl.lit("9f" * 32),
        carried=pl.lit(value=False),
        prev_hash=pl.lit("0" * 64),
        row_hash=pl.lit("0" * 64),
    ).sort("as_of", "commodity", "horizon", "quantile")


def score_replays(issued: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """How the replays turned out; a target without a price takes the one before it."""
    medians = issued.filter(pl.col("track") == "replay", pl.col("quantile") == 0.5)
    came = prices.select("commodity", target_session="session", actual_price="price")
    met = medians.sort("target_session").join_asof(
        came.sort("target_session"), on="target_session", by="commodity", check_sortedness=False
    )
    return fit(
        "issued.score",
        met.with_columns(
            vintage=pl.lit("latest"),
            actual=(pl.col("actual_price") / pl.col("origin_price")).log(),
            pinball=pl.lit(0.01),
            covered=pl.lit(value=True),
            hit=pl.lit(value=True),
            error=pl.lit(0.1),
            naive_error=pl.lit(0.1),
        ),
    )


def generate_scores(names: pl.DataFrame, labels: Sequence[str]) -> pl.DataFrame:
    """An evaluation's figures of every recipe, commodity and horizon, and of all together."""
    metrics = ["crps", "mae", "width_80", "coverage_80", "band_80", "hit_rate"]
    metrics += [f"skill_vs_{name}" for name in OPPONENTS]
    places = [*names["commodity"], "*"]
    every = pl.DataFrame({"recipe": RECIPES})
    for column, values in (("commodity", places), ("horizon", labels), ("metric", metrics)):
        every = every.join(pl.DataFrame({column: values}), how="cross")
    return fit(
        "evaluation.score",
        every.filter(pl.col("metric") != pl.format("skill_vs_{}", "recipe")).with_columns(
            value=pl.lit(0.02),
            evaluation_id=pl.lit(EVALUATION),
            low=pl.lit(-0.01),
            high=pl.lit(0.05),
            count=pl.lit(ORIGINS),
        ),
    )


def observe(prices: pl.DataFrame) -> pl.DataFrame:
    """The observations behind the first commodity's prices."""
    first = prices.filter(pl.col("commodity") == prices["commodity"][0])
    return fit(
        "raw.observation",
        first.select(
            series_id=pl.lit(SERIES["series_id"]),
            period="session",
            version="version",
            available_at="available_at",
            available_basis="available_basis",
            seen_at=pl.lit(AS_OF),
            txn_id=pl.lit(1),
            value="price",
            value_text=pl.col("price").cast(pl.String),
            status=pl.lit("value"),
            response_id=pl.lit("r" * 16),
            locator=pl.format("line {}", pl.int_range(pl.len())),
        ),
    )


SERIES = {
    "series_id": "EIA.RWTC",
    "family": "eia_spot_daily",
    "name": "a daily price",
    "unit": "USD/bbl",
    "frequency": "daily",
    "dimensions": "{}",
    "source": "archive",
    "rights": "public-domain",
    "contract_version": "1.0.0",
}
DECISION = {
    "decision_id": "2" * 64,
    "decided_at": AS_OF,
    "evaluation_id": EVALUATION,
    "recipe": "anchored_gru",
    "champion": "prior",
    "verdict": "no_skill",
    "reason": "not shown better than the prior",
    "statistics": "{}",
    "who": "gate",
}

VERSION = {
    "version": 1,
    "recipe": "prior",
    "recipe_id": "5e" * 32,
    "fingerprint": "c0ffee" * 10,
    "state": "9f" * 32,
    "as_of": AS_OF,
    "run_id": "run",
    "note": "nothing learned",
}


def main() -> None:
    """Measure every size and print it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true", help="three small sizes")
    options.add_argument("--json", type=Path, help="write the figures there; - prints them")
    chosen = options.parse_args()
    costs = []
    for size in QUICK_SIZES if chosen.quick else SIZES:
        with tempfile.TemporaryDirectory() as folder:
            costs.append(measure(Path(folder), size))
    text = json.dumps([asdict(cost) for cost in costs])
    if str(chosen.json) == "-":
        print(text)
        return
    if chosen.json:
        chosen.json.write_text(text + "\n")
    print("commodities  questions      calls  reading s  rendering s")
    for cost in costs:
        print(
            f"{cost.commodities:11}  {cost.questions:9}  {cost.calls:9,}  {cost.reading_s:9.2f}"
            f"  {cost.rendering_s:11.2f}"
        )


if __name__ == "__main__":
    main()
