"""What the version in use cannot read is forecast by the founding model, and the rest by it."""

from dataclasses import replace

import pytest

from cbi_pipeline.catalogue import GATE_OPPONENTS
from cbi_pipeline.evaluation import decide_by_person, decide_founder, estimator_of
from cbi_pipeline.forecasting.models.estimator import sit_out
from cbi_pipeline.forecasting.models.model import by_commodity
from cbi_pipeline.forecasting.models.recipe import NO_FEATURES
from cbi_pipeline.forecasting.version import VERSION
from cbi_pipeline.issued import CANNOT, FORECAST, FOUNDING
from cbi_pipeline.operations.champion_forecast import (
    TooShort,
    find_unreadable,
    forecast_founding,
    forecast_newest,
)
from cbi_pipeline.operations.decide import establish_champion, list_opponents
from cbi_pipeline.operations.evaluate import EvaluationRun
from cbi_pipeline.operations.issue import issue_live
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.recipes import load_earlier_founders, load_recipe
from cbi_pipeline.operations.refresh_models import refresh_models
from cbi_pipeline.operations.train import ensure_version, newest_fold
from cbi_pipeline.operations.training_data import load_training_data, narrow
from cbi_pipeline.registry import (
    Champion,
    current_champion,
    list_earlier_founders,
    sort_decisions,
)
from cbi_pipeline.settings import Settings
from tests.catalogues import SMALL, write_layer
from tests.system.homes import copied

BOTH = ["wti", "gasoline_mn"]
WTI = '[[commodity]]\nid = "wti"\n'
LONGER = 'horizons = { "1w" = 10, "1m" = 21, "1q" = 63 }\n'
THIRD = """
[[profile.archive.commodity]]
id = "crude_output"
name = "Crude output"
unit = "kb/d"
price_series = "EIA.WCRFPUS2"
calendar = "eia_retail_weekly"
sessions_per_year = 52
horizons = { "1w" = 1, "1m" = 4, "1q" = 13 }
liquid = false
stale_after_days = 21

"""


def opened(one_night, folder, text: str) -> Pipeline:
    """A home whose champion was registered before it got a catalogue file of its own."""
    home = copied(one_night, folder / ".cbi")
    write_layer(home, text)
    return Pipeline(Settings(home=home, catalogue_file=SMALL))


def founded_by(founder: str, one_night, folder) -> Pipeline:
    """A home whose catalogue names another founder since its champion was registered."""
    pipeline = opened(one_night, folder, "")
    catalogue, now = pipeline.catalogue, {"founder": founder}
    evaluation = catalogue.evaluation.model_copy(update=now)
    vars(pipeline)["catalogue"] = catalogue.model_copy(update={"evaluation": evaluation})
    return pipeline


@pytest.fixture(scope="module")
def changed(one_night, tmp_path_factory) -> Pipeline:
    """WTI has another horizon now."""
    return opened(one_night, tmp_path_factory.mktemp("changed"), WTI + LONGER)


@pytest.fixture(scope="module")
def data(changed):
    return load_training_data(changed, changed.newest_as_of())


def test_a_commodity_of_other_horizons_is_forecast_by_it_and_the_other_by_the_version(
    changed, data
):
    said = forecast_newest(data, BOTH, changed)
    who = said.rows.select("commodity", "model_version", "horizon").unique().sort("horizon").rows()
    assert [one for one in who if one[0] == "wti"] == [
        ("wti", FOUNDING, 10),
        ("wti", FOUNDING, 21),
        ("wti", FOUNDING, 63),
    ]
    assert {version for name, version, _ in who if name == "gasoline_mn"} == {"1"}
    assert list(said.statuses) == ["wti"]
    assert said.statuses["wti"].kind == FORECAST
    assert "forecast by the founding model: version 1" in said.statuses["wti"].reason
    assert "was made for other horizons" in said.statuses["wti"].reason


def test_a_version_reads_its_own_commodities_out_of_a_wider_catalogue(one_night, tmp_path):
    pipeline = opened(one_night, tmp_path, THIRD)
    assert len(pipeline.catalogue.commodities) == 3
    said = forecast_newest(load_training_data(pipeline, pipeline.newest_as_of()), BOTH, pipeline)
    assert said.statuses == {}
    assert set(said.rows.select("commodity", "model_version").rows()) == {
        ("wti", "1"),
        ("gasoline_mn", "1"),
    }


def test_its_forecast_starts_at_the_newest_price_and_names_its_sessions(changed, data):
    rows = forecast_newest(data, BOTH, changed).rows
    assert rows["origin_session"].n_unique() == rows["commodity"].n_unique() == 2
    wti = rows.filter(commodity="wti", quantile=0.5)
    assert wti["value"].to_list() == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)
    assert wti.sort("horizon")["target_session"].is_sorted()
    assert (wti["volatility"] > 0).all()


def test_nobody_abstains_for_it(changed):
    issue = issue_live(changed, changed.today().isoformat())
    assert issue.abstentions.is_empty()
    assert {one.commodity: one.kind for one in issue.statuses} == dict.fromkeys(BOTH, FORECAST)


def test_a_commodity_that_the_version_was_made_before_is_named_so(changed, data):
    version = changed.registry.versions()[0]
    spec = changed.registry.load(1).spec
    alone = replace(
        spec,
        commodities=spec.commodities[1:],
        steps=spec.steps[1:],
        meanings=spec.meanings[1:],
    )
    reasons = find_unreadable(version, alone, data, BOTH, changed)
    assert "was made before it could be forecast" in reasons["wti"]


def test_where_it_fails_as_well_both_reasons_are_told_and_the_other_is_forecast(
    changed, data, monkeypatch
):
    def broken(*_):
        raise ValueError("no sound number")

    monkeypatch.setattr("cbi_pipeline.operations.champion_forecast.forecast_founding", broken)
    said = forecast_newest(data, BOTH, changed)
    assert set(said.rows["commodity"]) == {"gasoline_mn"}
    assert said.statuses["wti"].kind == CANNOT
    assert "other horizons, and the founding model failed on it" in said.statuses["wti"].reason
    assert "no sound number" in said.statuses["wti"].reason


def test_the_founding_model_is_the_founder_as_its_file_says_today(one_night, tmp_path):
    pipeline = opened(one_night, tmp_path, WTI + LONGER)
    file = pipeline.settings.home / "catalogue" / "recipes" / "prior.toml"
    file.parent.mkdir()
    file.write_text('kind = "combined"\n[forecasts]\nhar = 1\nclimatology = 1\n')
    data = load_training_data(pipeline, pipeline.newest_as_of())
    rows = forecast_newest(data, ["wti"], pipeline).rows
    own = narrow(data, NO_FEATURES, pipeline)
    fold = newest_fold(own)
    model = estimator_of(load_recipe("prior", pipeline)).fit(own.panel, fold).model
    q_HQ = model.predict(own.panel, by_commodity(own.panel, fold.test_rows)["wti"]).q_NHQ[0]
    assert set(rows["model_version"]) == {FOUNDING}
    # Nothing of ten sessions ahead was ever judged, so nothing calibrates it.
    ten = rows.filter(horizon=10).sort("quantile")["value"].to_list()
    assert ten == pytest.approx(q_HQ[0].tolist())


def test_a_commodity_with_too_little_history_for_it_is_told_so(changed, data, monkeypatch):
    monkeypatch.setattr(
        "cbi_pipeline.forecasting.models.prior.Prior.absences",
        lambda _, panel, fold: sit_out(panel, fold, "nine returns were public, it needs forty"),
    )
    said = forecast_newest(data, BOTH, changed)
    assert set(said.rows["commodity"]) == {"gasoline_mn"}
    assert said.statuses["wti"].kind == CANNOT
    assert "nine returns were public" in said.statuses["wti"].reason


def test_a_commodity_without_a_row_is_named(changed, data):
    with pytest.raises(TooShort, match="no row yet of copper"):
        forecast_founding(["wti", "copper"], data, changed)


STOCKS = 'groups.petroleum_weekly = { stocks = "EIA.WCRFPUS2" }\n'


def test_a_commodity_whose_group_reads_another_series_is_forecast_by_it_and_the_group_is_named(
    one_night, tmp_path
):
    pipeline = opened(one_night, tmp_path, WTI + STOCKS)
    learned = decide_by_person(
        "promote", "tiny", "prior", version=2, reason="reads groups", who="ada",
        decided_at=pipeline.now(),
    )  # fmt: skip
    pipeline.add({"registry.decision": learned.frame()})
    said = forecast_newest(load_training_data(pipeline, pipeline.newest_as_of()), BOTH, pipeline)
    assert set(said.rows.select("commodity", "model_version").rows()) == {
        ("wti", FOUNDING),
        ("gasoline_mn", "2"),
    }
    assert said.statuses["wti"].reason.endswith(
        "was made before the rows of petroleum_weekly of wti meant what they do"
    )


def test_another_founder_takes_the_place_of_one_that_was_champion_by_choice(one_night, tmp_path):
    pipeline = founded_by("ewma", one_night, tmp_path)
    for _ in range(2):
        establish_champion(pipeline)
    with pipeline.warehouse.read() as store:
        decisions = sort_decisions(store.table("registry.decision"))
    founding = decisions.filter(verdict="first").select("recipe", "champion", "who").rows()
    assert founding == [("prior", "prior", "gate"), ("ewma", "prior", f"release {VERSION}")]
    assert current_champion(decisions) == Champion("ewma", None)


def test_its_version_says_that_nothing_was_tested(one_night, tmp_path):
    pipeline = founded_by("ewma", one_night, tmp_path)
    establish_champion(pipeline)
    done = refresh_models(pipeline, pipeline.newest_as_of())
    assert not isinstance(done, str)
    assert (done.versions[0].recipe, done.aliases["champion"]) == ("ewma", done.versions[0].version)
    assert "nothing was tested yet" in done.versions[0].note


def test_a_champion_that_was_promoted_stays_whatever_the_founder(one_night, tmp_path):
    pipeline = founded_by("ewma", one_night, tmp_path)
    promoted = decide_by_person(
        "promote", "tiny", "prior", version=2, reason="better", who="ada", decided_at=pipeline.now()
    )
    pipeline.add({"registry.decision": promoted.frame()})
    establish_champion(pipeline)
    with pipeline.warehouse.read() as store:
        assert current_champion(store.table("registry.decision")) == Champion("tiny", 2)


def test_a_founder_whose_file_is_broken_is_no_matter_where_one_was_promoted(one_night, tmp_path):
    pipeline = opened(one_night, tmp_path, "")
    promoted = decide_by_person(
        "promote", "tiny", "prior", version=2, reason="better", who="ada", decided_at=pipeline.now()
    )
    pipeline.add({"registry.decision": promoted.frame()})
    assert pipeline.catalogue.evaluation.founder == "prior"
    file = pipeline.settings.home / "catalogue" / "recipes" / "prior.toml"
    file.parent.mkdir()
    file.write_text("kind = [")
    establish_champion(pipeline)
    with pipeline.warehouse.read() as store:
        assert current_champion(store.table("registry.decision")) == Champion("tiny", 2)


def test_a_version_bears_the_remark_of_its_recipes_file(one_night, tmp_path):
    pipeline = opened(one_night, tmp_path, "")
    file = pipeline.settings.home / "catalogue" / "recipes" / "ewma.toml"
    file.parent.mkdir()
    file.write_text('kind = "ewma"\nremark = "Its decay was chosen on oil."\n')
    data, recipe = (
        load_training_data(pipeline, pipeline.newest_as_of()),
        load_recipe("ewma", pipeline),
    )
    with pipeline.warehouse.read() as store:
        decisions = store.table("registry.decision")
    own = narrow(data, recipe.feature_set, pipeline)
    version = ensure_version(recipe, own, decisions, pipeline, {})
    assert version.note.endswith(" Its decay was chosen on oil.")


def test_a_founder_that_gave_way_is_walked_forward_and_stays_an_opponent(one_night, tmp_path):
    pipeline = founded_by("ewma", one_night, tmp_path)
    evaluation = pipeline.catalogue.evaluation.model_copy(update={"baselines": ("climatology",)})
    vars(pipeline)["catalogue"] = pipeline.catalogue.model_copy(update={"evaluation": evaluation})
    establish_champion(pipeline)
    evaluation = EvaluationRun(load_training_data(pipeline, pipeline.newest_as_of()), pipeline)
    names = [estimator.name for estimator in evaluation.estimators]
    assert names.count("prior") == 1
    with pipeline.warehouse.read() as store:
        decisions = store.table("registry.decision")
    assert list_earlier_founders(decisions) == ("prior",)


def test_a_challenger_has_to_beat_the_founders_that_gave_way_and_the_opponents_of_all(
    one_night, tmp_path
):
    pipeline = founded_by("ewma", one_night, tmp_path)
    with pipeline.warehouse.read() as store:
        assert list_opponents(store.table("registry.decision")) == GATE_OPPONENTS
    establish_champion(pipeline)
    with pipeline.warehouse.read() as store:
        decisions = store.table("registry.decision")
    assert list_opponents(decisions) == (*GATE_OPPONENTS, "prior")
    assert "has to beat prior still" in sort_decisions(decisions)["reason"][-1]


def test_a_founder_without_a_recipe_is_said_to_be_no_opponent(one_night, tmp_path):
    pipeline = founded_by("ewma", one_night, tmp_path)
    first = decide_founder("retired", evaluation_id="", decided_at=pipeline.now())
    pipeline.add({"registry.decision": first.frame()})
    establish_champion(pipeline)
    with pipeline.warehouse.read() as store:
        decisions = sort_decisions(store.table("registry.decision"))
    assert "No recipe is called retired any more" in decisions["reason"][-1]
    assert load_earlier_founders(pipeline) == ()
