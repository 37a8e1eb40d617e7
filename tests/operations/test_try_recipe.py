"""Trying a recipe reads only what the gate leaves for it, and leaves no trace there."""

import polars as pl
import pytest

from cbi_pipeline.evaluation import losses
from cbi_pipeline.evaluation.entries import find_first_judged
from cbi_pipeline.operations.evaluate import EvaluationRun
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import evidence_as_of, load_training_data
from cbi_pipeline.operations.try_recipe import measure_cost, try_recipe
from cbi_pipeline.operations.walk_forward_store import read_forecasts
from cbi_pipeline.registry import newest_evidence
from cbi_pipeline.settings import Settings
from tests.catalogues import SMALL
from tests.system.homes import copied

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pipeline(one_night, tmp_path_factory) -> Pipeline:
    home = copied(one_night, tmp_path_factory.mktemp("tried") / ".cbi")
    return Pipeline(Settings(home=home, catalogue_file=SMALL))


@pytest.fixture(scope="module")
def tried(pipeline):
    return try_recipe("tiny", pipeline)


def contents(pipeline):
    with pipeline.warehouse.read() as store:
        tables = store.query(
            "SELECT schema_name || '.' || table_name AS name, estimated_size AS rows "
            "FROM duckdb_tables() ORDER BY ALL"
        )
        return tables.rows(), store.table("registry.decision").rows()


def test_no_origin_is_one_that_the_gate_reads(pipeline, tried):
    with pipeline.warehouse.read() as store:
        evidence = newest_evidence(store.table("registry.decision"))
        forecasts = read_forecasts(store, evidence)
        targets = store.table("features.target")
    table = losses(forecasts, targets, pipeline.catalogue)
    first = find_first_judged(table, pipeline.catalogue.evaluation.development)
    both = tried.origins.join(first, on="commodity")
    assert both.height == len(pipeline.catalogue.commodities)
    assert both.filter(pl.col("last") >= pl.col("first")).is_empty()


def test_it_is_compared_with_the_champion_and_what_the_gate_compares_with(pipeline, tried):
    champion = EvaluationRun(
        load_training_data(pipeline, evidence_as_of(pipeline)), pipeline
    ).lineup.champion.name
    assert tried.opponents[0] == champion
    assert {"climatology", "garch_t", "gjr_t", "combined"} <= set(tried.opponents)
    assert {name.removeprefix("skill_vs_") for name in tried.scores["metric"]} >= {champion}
    assert set(tried.scores["recipe"]) == {"tiny"}


def test_nothing_of_it_is_recorded(pipeline):
    before = contents(pipeline)
    try_recipe("har", pipeline)
    assert contents(pipeline) == before


def test_a_second_time_says_the_same_from_the_folds_that_are_kept(pipeline, tried):
    folds = {path: path.stat().st_mtime_ns for path in pipeline.settings.folds_dir.rglob("*.*")}
    again = try_recipe("tiny", pipeline)
    assert again.scores.equals(tried.scores)
    after = {path: path.stat().st_mtime_ns for path in pipeline.settings.folds_dir.rglob("*.*")}
    assert after == folds


def test_what_was_fitted_costs_nothing_again(pipeline):
    first = measure_cost("har", pipeline)
    assert (first.parameters, first.device) == (None, "cpu")
    assert first.refits >= 1
    assert measure_cost("tiny", pipeline).parameters > 0
