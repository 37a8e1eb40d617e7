"""History that arrives after rows were built is in the rows that it belongs to."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from cbi_pipeline.features import feature_set, read_generations, read_rows
from cbi_pipeline.operations.build_features import build, store_rows
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import Settings
from tests.features.records import prices
from tests.features.worlds import MONTHLY, RETAIL, WEEKLY, WTI, world
from tests.warehouse.frames import reference

FIRST, SECOND = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
ALL = (WTI, RETAIL, *WEEKLY, *MONTHLY)
MICROS = pl.Datetime("us", "UTC")


@pytest.fixture(scope="module")
def observed() -> pl.DataFrame:
    return world(5, weeks=110)


def home(folder, name: str) -> Pipeline:
    return Pipeline(Settings(_env_file=None, home=folder / name, profile="archive"))


def deliver(pipeline: Pipeline, observed: pl.DataFrame, seen_at: datetime | None) -> dict[str, str]:
    """Store observations as seen then and build; what came into use beside earlier rows, and why.

    None leaves each sighting as it is.
    """
    if seen_at is not None:
        observed = observed.with_columns(seen_at=pl.lit(seen_at).cast(MICROS))
    with pipeline.warehouse.write() as store, store.transaction():
        store.replace("ref.series", reference(*sorted(ALL)))
        store.append("raw.observation", observed)
        priced = prices(store.table("raw.observation"))
        held = store.table("market.session")
        key = ["commodity", "session", "version"]
        store.append("market.session", priced.join(held, on=key, how="anti"))
    pipeline.warehouse.publish()
    night = build(pipeline)
    store_rows(pipeline, night)
    changes = night.generations.changes.filter(pl.col("number") > 1)
    named = changes.select("feature_group", "commodity", "why").iter_rows()
    return {f"{group} {commodity}": why for group, commodity, why in named}


def rows(pipeline: Pipeline) -> pl.DataFrame:
    chosen = feature_set(pipeline.catalogue)
    with pipeline.warehouse.read() as store:
        used = read_generations(store, pipeline.catalogue, chosen, SECOND)
        return read_rows(store, chosen, used)


def of(observed: pl.DataFrame, *series: str) -> pl.DataFrame:
    return observed.filter(pl.col("series_id").is_in(list(series)))


@pytest.fixture(scope="module")
def together(observed, tmp_path_factory) -> pl.DataFrame:
    pipeline = home(tmp_path_factory.mktemp("together"), "home")
    deliver(pipeline, observed, FIRST)
    return rows(pipeline)


@pytest.mark.slow
@pytest.mark.parametrize(
    "late", [WEEKLY, MONTHLY, (RETAIL,), (WTI,), (WTI, *WEEKLY)], ids=lambda names: names[0]
)
def test_two_orders_of_arrival_end_with_equal_rows(observed, together, tmp_path, late):
    pipeline = home(tmp_path, "home")
    deliver(pipeline, observed.filter(~pl.col("series_id").is_in(list(late))), FIRST)
    deliver(pipeline, of(observed, *late), SECOND)
    assert rows(pipeline).equals(together)


def test_older_history_builds_the_groups_anew_that_read_it_and_says_so(observed, tmp_path):
    pipeline = home(tmp_path, "home")
    deliver(pipeline, observed.filter(~pl.col("series_id").is_in(list(WEEKLY))), FIRST)
    changed = deliver(pipeline, of(observed, *WEEKLY), SECOND)
    assert set(changed) == {"petroleum_weekly wti", "petroleum_weekly gasoline_mn"}
    assert all("history arrived late" in why for why in changed.values())


def test_older_prices_build_everything_of_their_market_anew(observed, tmp_path):
    pipeline = home(tmp_path, "home")
    middle = observed["period"].sort()[len(observed) // 2]
    early = (pl.col("series_id") == WTI) & (pl.col("period") < middle)
    deliver(pipeline, observed.filter(~early), FIRST)
    changed = deliver(pipeline, observed.filter(early), SECOND)
    own = {name for name in changed if name.endswith(" wti")}
    assert {name.split()[0] for name in own} == {
        *("origin", "own_price", "related_price", "petroleum_weekly", "petroleum_monthly")
    }
    assert set(changed) - own == {"related_price gasoline_mn"}


def test_rows_built_anew_for_late_history_stay_readable_by_every_version(observed, tmp_path):
    pipeline = home(tmp_path, "home")
    deliver(pipeline, observed.filter(~pl.col("series_id").is_in(list(WEEKLY))), FIRST)

    def today():
        with pipeline.warehouse.read() as store:
            chosen = feature_set(pipeline.catalogue)
            used = read_generations(store, pipeline.catalogue, chosen, SECOND)
            return used.give_meaning(chosen)

    before = today()
    assert deliver(pipeline, of(observed, *WEEKLY), SECOND)
    assert today().meanings == before.meanings


def test_a_delivery_late_by_less_than_its_limit_leaves_the_rows_as_they_were(
    observed, together, tmp_path
):
    pipeline = home(tmp_path, "home")
    newest = observed["available_at"].max()
    late = (pl.col("series_id").is_in(list(WEEKLY))) & (
        pl.col("available_at") > newest - timedelta(days=12)
    )
    assert observed.filter(late).height
    seen = observed.with_columns(seen_at="available_at")
    deliver(pipeline, seen.filter(~late), None)
    before = rows(pipeline)
    assert deliver(pipeline, seen.filter(late), newest + timedelta(hours=1)) == {}
    after = rows(pipeline)
    assert after.join(before, on=["commodity", "session"], how="semi").equals(before)
    assert not after.equals(together)


def test_late_history_that_changes_no_row_is_looked_at_once(observed, tmp_path):
    pipeline = home(tmp_path, "home")
    deliver(pipeline, observed, FIRST)
    before = rows(pipeline)
    # A version that was superseded at the instant at which it was public.
    told = of(observed, WEEKLY[0]).sort("available_at").head(1)
    again = told.with_columns(version=pl.lit(99, pl.Int64))
    assert deliver(pipeline, again, SECOND) == {}
    assert rows(pipeline).equals(before)
    assert build(pipeline).generations.notes.is_empty()
