"""What fails in one model leaves the other, and the one in use, speaking."""

import dagster as dg
import pytest

from cbi_pipeline import features, market
from cbi_pipeline.catalogue import Catalogue, Commodity
from cbi_pipeline.defs.alerts import feed_edges
from cbi_pipeline.defs.features.assets import row, target
from cbi_pipeline.defs.forecasting.assets import refresh
from cbi_pipeline.defs.issued.assets import forecast
from cbi_pipeline.defs.market.assets import session
from cbi_pipeline.forecasting import Estimator, TrainingFailed
from cbi_pipeline.ingest import fault_log
from cbi_pipeline.issued import newest_statuses, note_faults, open_faults
from cbi_pipeline.operations import train as training
from cbi_pipeline.operations.change_detection import note_night
from cbi_pipeline.operations.evaluate import EvaluationRun
from cbi_pipeline.operations.issue import issue_live
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import evidence_as_of, load_training_data
from cbi_pipeline.operations.walk_forward_store import read_forecasts
from cbi_pipeline.registry import _publish, sort_decisions
from cbi_pipeline.settings import Settings
from tests.catalogues import SMALL
from tests.defs.rounds import QUIET, judge
from tests.system.homes import copied

pytestmark = pytest.mark.slow

CHAMPION, CHALLENGER = "prior", "tiny"


@pytest.fixture
def pipeline(one_night, tmp_path) -> Pipeline:
    return Pipeline(Settings(home=copied(one_night, tmp_path / ".cbi"), catalogue_file=SMALL))


@pytest.fixture
def other_code(monkeypatch):
    """Tonight's code differs from last night's, so that both recipes are made anew."""
    monkeypatch.setattr("cbi_pipeline.operations.train.name_recipe_code", lambda *_: "e" * 64)


def night(pipeline: Pipeline, *before: dg.AssetsDefinition) -> None:
    result = dg.materialize(
        [*before, refresh, forecast],
        partition_key=pipeline.today().isoformat(),
        resources={"pipeline": pipeline},
        run_config=QUIET,
        instance=dg.DagsterInstance.ephemeral(),
    )
    assert result.success


def recorded(pipeline: Pipeline) -> list[tuple[int, str]]:
    with pipeline.warehouse.read() as store:
        return store.table("registry.version").sort("version").select("version", "recipe").rows()


def spoken(pipeline: Pipeline) -> set[str]:
    with pipeline.warehouse.read() as store:
        return {one.kind for one in newest_statuses(store)}


def alerts(pipeline: Pipeline) -> list[tuple[str, str]]:
    events = fault_log(pipeline.settings).events()
    return [(one.subject, one.kind) for one in feed_edges(events)]


def full_disk(monkeypatch, *recipes: str) -> None:
    publish = _publish.Registration.publish

    def failing(self, candidate):
        if candidate.model.recipe.name in recipes:
            raise OSError(28, "No space left on device")
        return publish(self, candidate)

    monkeypatch.setattr(_publish.Registration, "publish", failing)


def not_learning(monkeypatch, *recipes: str) -> None:
    train = training.train

    def failing(recipe, known, pipeline):
        if recipe.name in recipes:
            raise TrainingFailed("the loss is not finite at epoch 1")
        return train(recipe, known, pipeline)

    monkeypatch.setattr(training, "train", failing)


@pytest.mark.parametrize(
    ("fail", "words"),
    [(full_disk, "No space left on device"), (not_learning, "the loss is not finite at epoch 1")],
)
def test_a_challenger_that_fails_leaves_the_champion_refreshed_and_is_one_alert(
    pipeline, other_code, monkeypatch, fail, words
):
    with monkeypatch.context() as patched:
        fail(patched, CHALLENGER)
        night(pipeline)
        night(pipeline)
    assert recorded(pipeline) == [(1, CHAMPION), (2, CHALLENGER), (3, CHAMPION)]
    assert pipeline.registry.champion().version == 3
    assert spoken(pipeline) == {"forecast"}
    (fault,) = open_faults(pipeline.settings)
    assert words in str(fault)
    assert alerts(pipeline) == [("tiny training", "opened")]
    night(pipeline)
    assert alerts(pipeline) == [("tiny training", "opened"), ("tiny training", "closed")]


def test_a_champion_that_cannot_be_refreshed_goes_on_speaking(pipeline, other_code, monkeypatch):
    not_learning(monkeypatch, CHAMPION)
    night(pipeline)
    assert pipeline.registry.champion().version == 1
    assert recorded(pipeline) == [(1, CHAMPION), (2, CHALLENGER), (3, CHALLENGER)]
    assert spoken(pipeline) == {"forecast"}
    assert alerts(pipeline) == [("prior training", "opened")]


def test_a_champion_whose_files_were_changed_is_replaced_by_tonights(pipeline, other_code):
    damage(pipeline)
    night(pipeline)
    assert pipeline.registry.champion().version == 3
    assert spoken(pipeline) == {"forecast"}
    assert alerts(pipeline) == []


def test_without_any_model_every_commodity_says_so_and_that_is_one_alert(pipeline):
    damage(pipeline)
    for _ in range(2):
        speech = issue_live(pipeline, pipeline.today().isoformat())
        assert {one.kind for one in speech.statuses} == {"cannot be forecast"}
        (reason,) = {one.reason for one in speech.statuses}
        assert reason.startswith("no model can be asked: ")
        note_faults(speech.statuses, pipeline.settings, pipeline.now())
    assert alerts(pipeline) == [("champion version", "opened")]


def damage(pipeline: Pipeline) -> None:
    for model in pipeline.settings.mlflow_dir.rglob("model.json"):
        model.write_bytes(model.read_bytes()[:-1] + b"\1")


def breaks_on(monkeypatch, where, name: str, commodity: str) -> None:
    """Code with a defect that one commodity alone meets."""
    work = getattr(where, name)

    def broken(*arguments, **options):
        alone = [given for given in arguments if isinstance(given, Commodity)]
        catalogues = [given for given in arguments if isinstance(given, Catalogue)]
        met = alone or [one for given in catalogues for one in given.commodities]
        if [one.id for one in met] == [commodity]:
            raise ArithmeticError("a negative number of sessions")
        return work(*arguments, **options)

    monkeypatch.setattr(where, name, broken)


def statuses(pipeline: Pipeline) -> dict[str, tuple[str, str]]:
    speech = issue_live(pipeline, pipeline.today().isoformat())
    note_faults(speech.statuses, pipeline.settings, pipeline.now())
    return {one.commodity: (one.kind, one.reason) for one in speech.statuses}


@pytest.mark.parametrize(
    ("where", "name", "step"),
    [(market, "build_sessions", "prices"), (features, "build_rows", "features")],
)
def test_what_breaks_on_one_commodity_silences_that_one_alone(
    pipeline, monkeypatch, where, name, step
):
    with monkeypatch.context() as patched:
        breaks_on(patched, where, name, "wti")
        for _ in range(2):
            night(pipeline, session, row, target)
        words = (
            f"the {step} of WTI crude oil, Cushing spot cannot be made: "
            "ArithmeticError: a negative number of sessions"
        )
        found = {"wti": ("cannot be forecast", words), "gasoline_mn": ("forecast", "")}
        assert statuses(pipeline) == found
        assert [fault.problem for fault in open_faults(pipeline.settings)] == [words]
        assert not note_night(pipeline, pipeline.newest_as_of())
    night(pipeline, session, row, target)
    assert {kind for kind, _ in statuses(pipeline).values()} == {"forecast"}
    assert alerts(pipeline) == [(f"wti {step}", "opened"), (f"wti {step}", "closed")]


def test_targets_that_cannot_be_made_are_told_and_silence_no_one(pipeline, monkeypatch):
    with monkeypatch.context() as patched:
        breaks_on(patched, features, "build_targets", "wti")
        night(pipeline, session, row, target)
    assert spoken(pipeline) == {"forecast"}
    assert alerts(pipeline) == [("wti targets", "opened")]


def judging_breaks(monkeypatch, *names: str) -> None:
    """A recipe whose training fails."""
    forecast = Estimator.forecast

    def failing(self, panel, fold, folder):
        if self.name in names:
            raise TrainingFailed("the loss is not finite at epoch 1")
        return forecast(self, panel, fold, folder)

    monkeypatch.setattr(Estimator, "forecast", failing)


def code_changes(monkeypatch, identity: str) -> None:
    """The evidence at hand is of other code."""
    monkeypatch.setattr("cbi_pipeline.evaluation.hash_model_code", lambda _: identity)


def judged(pipeline: Pipeline) -> set[str]:
    judge(pipeline)
    evaluation = EvaluationRun(load_training_data(pipeline, evidence_as_of(pipeline)), pipeline)
    with pipeline.warehouse.read() as store:
        found = read_forecasts(store, evaluation.name)
    return set(found["recipe"])


def test_a_contender_that_cannot_be_judged_costs_the_others_no_evidence(pipeline, monkeypatch):
    code_changes(monkeypatch, "e" * 64)
    with monkeypatch.context() as patched:
        judging_breaks(patched, CHALLENGER)
        recipes = judged(pipeline)
    assert CHALLENGER not in recipes
    assert {CHAMPION, "climatology", "ewma", "prior"} <= recipes
    words = "was not judged: it failed: the loss is not finite at epoch 1"
    assert [fault.problem for fault in open_faults(pipeline.settings)] == [f"tiny {words}"]
    with pipeline.warehouse.read() as store:
        newest = sort_decisions(store.table("registry.decision")).row(-1, named=True)
    assert (newest["recipe"], newest["verdict"]) == (CHALLENGER, "abstain")
    code_changes(monkeypatch, "f" * 64)
    assert CHALLENGER in judged(pipeline)
    assert alerts(pipeline) == [("tiny evaluation", "opened"), ("tiny evaluation", "closed")]


def test_without_the_champion_s_own_forecasts_there_is_no_evidence(pipeline, monkeypatch):
    code_changes(monkeypatch, "e" * 64)
    judging_breaks(monkeypatch, CHAMPION)
    assert judged(pipeline) == set()
    assert alerts(pipeline) == [("walk-forward evidence", "opened")]
