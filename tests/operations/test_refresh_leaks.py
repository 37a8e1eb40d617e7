"""A refresh reads nothing that became public after its instant: not to fit, calibrate or judge."""

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from cbi_pipeline.evaluation import estimator_of
from cbi_pipeline.operations.calibrate import fit_recipe_calibration
from cbi_pipeline.operations.compare_versions import judge_on_common_rows
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.recipes import load_recipe
from cbi_pipeline.operations.train import newest_fold
from cbi_pipeline.operations.training_data import load_training_data, narrow
from cbi_pipeline.settings import Settings
from tests.catalogues import SMALL
from tests.system.homes import copied

pytestmark = pytest.mark.slow

TONIGHT = datetime(2018, 11, 1, tzinfo=UTC)
PROMOTED = datetime(2017, 6, 1, tzinfo=UTC)
INSTANTS = ("available_at", "decision_at", "as_of")


def garble(home, instant: datetime) -> int:
    """Change every number that became public after an instant; how many rows were changed."""
    changed = 0
    for file in home.glob("warehouse/**/*.duckdb"):
        with duckdb.connect(str(file)) as database:
            columns = database.sql(
                "SELECT table_schema || '.' || table_name, column_name, data_type "
                "FROM information_schema.columns JOIN information_schema.tables "
                "USING (table_schema, table_name) WHERE table_type = 'BASE TABLE' "
                "AND table_schema IN ('market', 'features', 'evaluation')"
            ).fetchall()
            for table in sorted({table for table, *_ in columns}):
                kinds = {column: kind for name, column, kind in columns if name == table}
                numbers = [
                    name
                    for name, kind in kinds.items()
                    if kind in ("DOUBLE", "FLOAT") and name != "quantile"
                ]
                at = next((name for name in INSTANTS if name in kinds), None)
                if at is not None and numbers:
                    settings = ", ".join(f'"{name}" = "{name}" * 1.5 + 0.01' for name in numbers)
                    done = database.execute(
                        f"UPDATE {table} SET {settings} WHERE {at} > ?", [instant]
                    )
                    changed += done.fetchone()[0]
    return changed


def refresh(home, name: str):
    """All that a refresh as of tonight rests on: both models, the calibration, the verdict."""
    pipeline = Pipeline(Settings(home=home, catalogue_file=SMALL))
    recipe, models = load_recipe(name, pipeline), []
    for instant in (PROMOTED, TONIGHT):
        data = load_training_data(pipeline, instant)
        own = narrow(data, recipe.feature_set, pipeline)
        estimator = estimator_of(recipe)
        models.append(estimator.fit(own.panel, newest_fold(own, learns=estimator.learns)).model)
    promoted, tonight = models
    used = [(1, PROMOTED)]
    verdict = judge_on_common_rows(tonight, promoted, used, {1: promoted}.get, data, pipeline)
    calibration = fit_recipe_calibration("prior", data, pipeline)
    assert sum(calibration.count_independent().values()) > 0
    return tonight.fingerprint(), promoted.fingerprint(), calibration, data.state, verdict


@pytest.fixture(scope="module")
def garbled(one_night, tmp_path_factory):
    home = copied(one_night, tmp_path_factory.mktemp("garbled") / ".cbi")
    assert garble(home, TONIGHT) > 1000
    return home


@pytest.fixture(scope="module")
def garbled_earlier(one_night, tmp_path_factory):
    home = copied(one_night, tmp_path_factory.mktemp("earlier") / ".cbi")
    garble(home, TONIGHT - timedelta(days=60))
    return home


@pytest.mark.parametrize("name", ["tiny", "combined", "anchored_gru"])
def test_what_comes_later_changes_no_bit_of_a_refresh(name, one_night, garbled):
    assert refresh(garbled, name) == refresh(one_night, name)


def test_what_came_before_does(one_night, garbled_earlier):
    pairs = zip(refresh(garbled_earlier, "combined"), refresh(one_night, "combined"), strict=True)
    tonight, promoted, calibration, _, verdict = (before != after for before, after in pairs)
    assert (tonight, promoted, calibration, verdict) == (True, False, True, True)
