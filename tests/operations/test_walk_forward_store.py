"""Each fold is stored once, whatever rounds forecast it, and goes when nothing rests on it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.walk_forward_store import (
    KEPT_DAYS,
    drop_old_evidence,
    read_forecasts,
    split_folds,
)
from cbi_pipeline.settings import Settings
from data_contracts.evaluation import DECISION
from tests.evaluation import worlds

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Clocked(Pipeline):
    """A pipeline at one instant of the wall clock."""

    def now(self) -> datetime:
        return NOW


def drop(pipeline, newest):
    """Drop what nothing rests on, and show it."""
    with pipeline.warehouse.write() as store, store.transaction():
        count = drop_old_evidence(store, newest, NOW)
    pipeline.warehouse.publish()
    return count


@pytest.fixture
def pipeline(tmp_path) -> Pipeline:
    home = Clocked(Settings(home=tmp_path / ".cbi"))
    with home.warehouse.write():
        pass
    home.warehouse.publish()
    return home


def walked(evaluation: str, weeks: int = 40, recipe: str = "a") -> pl.DataFrame:
    """A round over the first weeks of one world, in yearly folds."""
    world = worlds.world(np.random.default_rng(0), commodities=2, weeks=60)
    frame = world.speak(recipe, world.scale).filter(
        pl.col("origin_session") < worlds.session(weeks)
    )
    fold = pl.col("origin_session").dt.year().cast(pl.String)
    return frame.with_columns(fold=fold, evaluation_id=pl.lit(evaluation))


def store(pipeline: Pipeline, *rounds: pl.DataFrame) -> None:
    for one in rounds:
        pipeline.add(split_folds(one))


def stored_rows(pipeline: Pipeline) -> int:
    with pipeline.warehouse.read() as store:
        return store.query("SELECT count(*) AS n FROM evaluation.fold_forecast")["n"][0]


def decided(evaluation: str, days: float, verdict: str = "keep") -> pl.DataFrame:
    texts = dict.fromkeys(("decision_id", "recipe", "champion", "reason", "who"), "x")
    row = texts | {
        "decision_id": f"{evaluation} {days}",
        "decided_at": NOW - timedelta(days=days),
        "as_of": None,
        "evaluation_id": evaluation,
        "version": None,
        "verdict": verdict,
        "statistics": "{}",
    }
    return pl.DataFrame([row], schema=DECISION.dtypes)


def test_an_evaluation_is_read_as_it_was_forecast(pipeline):
    rounds = pl.concat([walked("one"), walked("one", recipe="b")])
    store(pipeline, rounds)
    with pipeline.warehouse.read() as read:
        everything, own = (read_forecasts(read, "one", name) for name in (None, "b"))
    key = ["recipe", "commodity", "origin_session", "horizon", "quantile"]
    assert everything.equals(rounds.sort(key))
    assert own.equals(rounds.filter(recipe="b").sort(key))


def test_a_later_round_adds_the_rows_of_the_folds_that_have_grown_alone(pipeline):
    store(pipeline, walked("one", weeks=58))
    before = stored_rows(pipeline)
    later = walked("two", weeks=60)
    store(pipeline, later)
    newest = later["fold"].max()
    assert later["fold"].n_unique() > 1
    assert stored_rows(pipeline) - before == later.filter(fold=newest).height
    with pipeline.warehouse.read() as read:
        assert read_forecasts(read, "two").height == later.height


def test_a_round_that_says_the_same_adds_no_forecast(pipeline):
    store(pipeline, walked("one"))
    before = stored_rows(pipeline)
    store(pipeline, walked("two"))
    assert stored_rows(pipeline) == before


@pytest.mark.parametrize(
    ("days", "verdict", "is_kept"),
    [(KEPT_DAYS - 1, "keep", True), (KEPT_DAYS + 1, "keep", False), (9_999, "promote", True)],
)
def test_evidence_is_kept_for_decisions_of_the_last_year_and_the_champion(
    pipeline, days, verdict, is_kept
):
    store(pipeline, walked("old", weeks=30, recipe="c"), walked("newest"))
    pipeline.add(
        {"registry.decision": pl.concat([decided("old", days, verdict), decided("newest", 1)])}
    )
    gone = drop(pipeline, "newest")
    with pipeline.warehouse.read() as read:
        left = read_forecasts(read, "old")
        assert read_forecasts(read, "newest").height == walked("newest").height
    assert left.is_empty() != is_kept
    assert (gone > 0) != is_kept


def test_a_fold_that_another_round_consists_of_stays(pipeline):
    store(pipeline, walked("old"), walked("newest"))
    pipeline.add({"registry.decision": decided("newest", 1)})
    drop(pipeline, "newest")
    with pipeline.warehouse.read() as read:
        assert read_forecasts(read, "old").is_empty()
        assert read_forecasts(read, "newest").height == walked("newest").height


def test_nothing_is_dropped_where_all_is_in_use(pipeline):
    store(pipeline, walked("newest"))
    assert drop(pipeline, "newest") == 0


def test_what_is_dropped_goes_with_the_rows_that_are_stored_in_one_publication(
    pipeline, monkeypatch
):
    store(pipeline, walked("old", weeks=30, recipe="c"))
    published, publish = [], pipeline.warehouse.publish
    monkeypatch.setattr(pipeline.warehouse, "publish", lambda: published.append(publish()))
    tables = {**split_folds(walked("newest")), "registry.decision": decided("newest", 1)}
    pipeline.add(tables, lambda store: drop_old_evidence(store, "newest", NOW))
    assert len(published) == 1
    with pipeline.warehouse.read() as read:
        assert read_forecasts(read, "old").is_empty()
        assert read_forecasts(read, "newest").height == walked("newest").height
