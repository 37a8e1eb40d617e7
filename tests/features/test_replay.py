"""Nights lived through, and the same nights lived again from what is stored at the end.

A feed grows, corrects itself, withdraws, fails for a night or two and is heard late. Each night
builds its rows, prices, targets and panel from what we know by then. Afterwards every night is
done again from the final store, asked what *we* knew then: everything must be the same to the bit.
"""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from cbi_pipeline.features import Rows, build_targets, panel, side_by_side
from cbi_pipeline.features.feature_sets import CORE_1
from cbi_pipeline.warehouse import Store, Warehouse
from data_contracts.observation import OBSERVATION
from tests.features.detector import fingerprint
from tests.features.records import CATALOGUE, built, prices
from tests.features.worlds import MONTHLY, START, world
from tests.warehouse.frames import reference

LOADED = START + timedelta(days=320)
#: An ingestion claims the schedule only up to the next decision, which leaves a night little that
#: was public but not yet heard; claiming it longer leaves more.
PUNCTUAL = timedelta(hours=20)
NEWEST = pl.col("version") == pl.col("version").max().over("series_id", "period")


def told(record: pl.DataFrame, t: datetime, silent: set[str], *, loading: bool) -> pl.DataFrame:
    """What the publishers say at ``t``, dated by its schedule or when it was heard."""
    public = record.filter(pl.col("available_at") <= t, ~pl.col("series_id").is_in(silent))
    first = pl.col("version") == 1
    punctual = pl.lit(t, pl.Datetime("us", "UTC")) - pl.col("available_at") <= PUNCTUAL
    own = first & (pl.lit(loading) | punctual)
    basis = pl.lit("assumed") if loading else pl.lit("calendar")
    return public.filter(NEWEST).with_columns(
        available_at=pl.when(own)
        .then("available_at")
        .otherwise(pl.lit(t, pl.Datetime("us", "UTC"))),
        available_basis=pl.when(own).then(basis).otherwise(pl.lit("first_seen")),
    )


def night(observed: pl.DataFrame, t: datetime, before: Rows) -> tuple[Rows, str]:
    """Rows so far and the hash of everything a night comes to; rows are built once."""
    priced = prices(observed)
    stored = before.and_also(built(priced, observed, t, before))
    rows = side_by_side(stored)
    targets = build_targets(priced, rows, CATALOGUE, t)
    known = panel(rows, targets, priced, CATALOGUE, CORE_1, t)
    parts = [fingerprint(frame) for frame in (priced, rows, targets)]
    return stored, " ".join([*parts, known.identity()])


def hashes(store: Store, nights: list[datetime], known_at: str) -> list[str]:
    """Every night again, from the versions known by then."""
    found, rows = [], nothing_built()
    for t in nights:
        observed = store.table("raw.observation", f"{known_at} <= ?", [t])
        rows, one = night(observed, t, rows)
        found.append(one)
    return found


def nothing_built() -> Rows:
    none = OBSERVATION.empty()
    return built(prices(none), none, START)


def replayed(folder, seed: int, count: int) -> None:
    dice = np.random.default_rng(seed)
    record = world(seed, weeks=52 + count, revisions=300)
    record = record.filter(~pl.col("series_id").is_in(MONTHLY[3:]))
    nights = [LOADED + timedelta(hours=15 * n + float(dice.uniform(0, 3))) for n in range(count)]
    lived, rows = [], nothing_built()
    with Warehouse(folder).write() as store:
        names = record["series_id"].unique().sort().to_list()
        store.replace("ref.series", reference(*names))
        for number, t in enumerate(nights, start=1):
            silent = {name for name in names if number > 1 and dice.random() < 0.4}
            said = told(record, t, silent, loading=number == 1)
            store.record(said, seen_at=t, txn_id=number)
            rows, one = night(store.table("raw.observation"), t, rows)
            lived.append((one, fingerprint(store.as_of(t, "ours"))))
        again = hashes(store, nights, "seen_at")
        reads = [fingerprint(store.as_of(t, "ours")) for t in nights]
        public = hashes(store, nights, "available_at")
    assert [one for one, _ in lived] == again
    assert [read for _, read in lived] == reads
    assert len(set(again)) > count / 2
    # What was public but not yet heard makes a difference, so the question matters.
    assert public != again


@pytest.mark.slow
def test_nights_lived_again_from_what_we_knew_come_to_the_same(tmp_path):
    replayed(tmp_path, seed=1, count=6)


@pytest.mark.slow
def test_many_nights_lived_again_from_what_we_knew_come_to_the_same(tmp_path):
    replayed(tmp_path, seed=2, count=25)
