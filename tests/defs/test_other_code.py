"""Code that changes and forecasts the same is no new evidence, no new look and no new version."""

import dagster as dg
import pytest

from cbi_pipeline.defs.forecasting.assets import refresh
from cbi_pipeline.evaluation.models.ewma import Ewma
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import Settings
from tests.catalogues import SMALL
from tests.defs.rounds import QUIET, judge
from tests.system.homes import copied

pytestmark = pytest.mark.slow


@pytest.fixture
def pipeline(one_night, tmp_path) -> Pipeline:
    return Pipeline(Settings(home=copied(one_night, tmp_path / ".cbi"), catalogue_file=SMALL))


def night(pipeline: Pipeline) -> dict[str, int]:
    """Judge and refresh; how many evaluations, decisions and versions there are then."""
    judge(pipeline)
    result = dg.materialize(
        [refresh],
        partition_key=pipeline.today().isoformat(),
        resources={"pipeline": pipeline},
        run_config=QUIET,
        instance=dg.DagsterInstance.ephemeral(),
    )
    assert result.success
    return counts(pipeline)


def counts(pipeline: Pipeline) -> dict[str, int]:
    with pipeline.warehouse.read() as store:
        found = store.query("SELECT DISTINCT evaluation_id FROM evaluation.forecast")
        decisions, versions = store.table("registry.decision"), store.table("registry.version")
    return {
        "evaluations": len(found),
        "looks": len(decisions.filter(decisions["who"] == "gate")),
        "versions": len(versions),
    }


def code_is(monkeypatch, name: str) -> None:
    monkeypatch.setattr("cbi_pipeline.evaluation.hash_model_code", lambda _: name)


def test_other_code_with_the_same_forecasts_brings_nothing_new(pipeline, monkeypatch):
    before = counts(pipeline)
    code_is(monkeypatch, "rewritten")
    assert night(pipeline) == before


def test_it_is_noted_once_of_every_contender(pipeline, monkeypatch):
    code_is(monkeypatch, "rewritten")
    night(pipeline)
    night(pipeline)
    with pipeline.warehouse.read() as store:
        notes = store.table("evaluation.model_code").filter(code="rewritten")
    assert {"ewma", "prior", "tiny"} <= set(notes["recipe"])
    assert notes["recipe"].is_unique().all()
    assert all("equal to the bit" in why for why in notes["why"])


def test_other_code_with_other_forecasts_is_judged_again(pipeline, monkeypatch):
    before = counts(pipeline)
    forecast = Ewma.forecast

    def wider(self, panel, fold, folder):
        given = forecast(self, panel, fold, folder)
        return given._replace(q_NHQ=given.q_NHQ * 1.01)

    monkeypatch.setattr(Ewma, "forecast", wider)
    code_is(monkeypatch, "wider")
    after = night(pipeline)
    assert after["evaluations"] == before["evaluations"] + 1
    assert after["looks"] == before["looks"] + 1


def test_what_cannot_be_compared_is_noted_with_its_reason_and_judged_anew(pipeline, monkeypatch):
    before = counts(pipeline)
    folders = (pipeline.settings.folds_dir / "ewma").iterdir()
    for folder in folders:
        (folder / "forecasts.parquet").write_bytes(b"damaged")
    code_is(monkeypatch, "rewritten")
    assert night(pipeline)["evaluations"] == before["evaluations"] + 1
    with pipeline.warehouse.read() as store:
        notes = store.table("evaluation.model_code").filter(code="rewritten")
    why = dict(notes.select("recipe", "why").iter_rows())
    assert "damaged" in why["ewma"]
    assert all("equal to the bit" in words for name, words in why.items() if name != "ewma")


def test_other_scoring_of_the_same_forecasts_is_no_new_look(pipeline, monkeypatch):
    before = counts(pipeline)
    monkeypatch.setattr("cbi_pipeline.evaluation.hash_scoring_code", lambda: "other scores")
    after = night(pipeline)
    assert after["evaluations"] == before["evaluations"] + 1
    assert (after["looks"], after["versions"]) == (before["looks"], before["versions"])
