"""What was changed in MLflow's page is undone at the next start, loudly, and never served."""

import dagster as dg
import pytest
from mlflow import MlflowClient

from cbi_pipeline.defs.issued import assets as issued
from cbi_pipeline.ingest import fault_log
from cbi_pipeline.operations.aliases import SUBJECT, find_champion
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.registry import RegistryEmpty
from cbi_pipeline.registry.registry import NAME
from tests.system.homes import Home, copied
from tests.system.pages import Pages

MOVED = "the alias champion was moved to version 2 outside the record"


@pytest.fixture
def home(one_night, tmp_path) -> Home:
    return Home(copied(one_night, tmp_path / "home"))


@pytest.fixture
def page(home) -> MlflowClient:
    """What MLflow's page does when it is clicked."""
    return MlflowClient(home.settings.mlflow_uri)


def champion(page) -> int:
    return int(page.get_model_version_by_alias(NAME, "champion").version)


def edges(home) -> list[str]:
    log = fault_log(home.settings)
    return [event.kind for event in log.events() if event.feed == SUBJECT]


@pytest.mark.parametrize("command", ["models list", "models uri", "run"])
def test_the_next_start_puts_the_champion_back_and_says_so(cbi_here, home, page, command):
    page.set_registered_model_alias(NAME, "champion", "2")
    done = cbi_here(*command.split(), home=home.path)
    assert done.returncode == 0
    assert MOVED in done.stderr
    assert "`cbi models promote`" in done.stderr
    assert champion(page) == 1


@pytest.mark.slow
def test_the_pages_open_on_the_champion_of_the_record_and_say_so(home, page):
    page.set_registered_model_alias(NAME, "champion", "2")
    pages = Pages(home.environment)
    told = " ".join("".join(pages.await_open()).split())
    assert pages.close() == 0
    assert MOVED in told
    assert "`cbi models promote`" in told
    assert champion(page) == 1


def test_it_is_one_alert_and_its_end_one_more(cbi_here, home, page):
    page.set_registered_model_alias(NAME, "champion", "2")
    for _ in range(3):
        cbi_here("models", "list", home=home.path)
    assert edges(home) == ["opened", "closed"]


def test_doctor_says_it_and_changes_nothing(cbi_here, home, page):
    page.set_registered_model_alias(NAME, "champion", "2")
    done = cbi_here("doctor", home=home.path)
    assert done.returncode == 1
    (line,) = (line for line in done.stdout.splitlines() if " registry " in line)
    assert MOVED in line
    assert champion(page) == 2
    assert edges(home) == []


def test_the_exported_frame_is_the_recorded_champion_s(cbi_here, home, page, tmp_path):
    page.delete_registered_model_alias(NAME, "champion")
    done = cbi_here("panel", "export", str(tmp_path / "frame.csv"), home=home.path)
    assert done.returncode == 0


def test_a_forecast_issued_alone_is_the_recorded_champion_s(home, page):
    page.set_registered_model_alias(NAME, "champion", "2")
    pipeline = Pipeline(home.settings)
    done = dg.materialize(
        [issued.forecast],
        partition_key=pipeline.today().isoformat(),
        resources={"pipeline": pipeline},
    )
    (event,) = done.get_asset_materialization_events()
    assert MOVED in event.materialization.metadata["registry against the record"].value
    with pipeline.warehouse.read() as store:
        spoken = store.query(
            "SELECT DISTINCT model_version FROM issued.forecast WHERE track='live'"
        )
    assert spoken["model_version"].to_list() == ["1"]


def test_where_the_champion_is_gone_the_issue_says_so_and_speaks_with_no_other(home, page):
    page.delete_model_version(NAME, "1")
    pipeline = Pipeline(home.settings)
    with pytest.raises(RegistryEmpty, match="no version 1"):
        find_champion(pipeline)
    done = dg.materialize(
        [issued.forecast],
        partition_key=pipeline.today().isoformat(),
        resources={"pipeline": pipeline},
    )
    (event,) = done.get_asset_materialization_events()
    assert "deleted from the registry" in (
        event.materialization.metadata["registry against the record"].value
    )
    with pipeline.warehouse.read() as store:
        said = store.table("issued.forecast", "track = 'live'")
    assert set(said["model_version"]) == {"1"}


def test_an_alias_of_another_name_is_kept_and_explained(cbi_here, home, page):
    page.set_registered_model_alias(NAME, "staging", "2")
    done = cbi_here("models", "list", home=home.path)
    assert "staging: an alias of your own" in done.stdout
    assert done.stderr == ""


def test_a_version_whose_run_was_deleted_can_be_promoted(cbi_here, home, page):
    page.delete_run(page.get_model_version(NAME, "2").run_id)
    done = cbi_here("models", "promote", "2", "--reason", "wider tails", home=home.path)
    assert done.returncode == 0, done.stderr
    assert "run of version 2" in done.stdout + done.stderr
    assert champion(page) == 2


@pytest.mark.slow
def test_a_champion_deleted_from_the_registry_is_told_and_the_next_night_has_another(
    cbi_here, home, page
):
    page.delete_model_version(NAME, "1")
    gone = "version 1, champion by the record, was deleted from the registry"
    listed = cbi_here("models", "uri", home=home.path)
    assert (listed.returncode, listed.stdout) == (2, "")
    assert gone in listed.stderr
    done = home.cbi("run")
    assert done.returncode == 0, done.stderr
    assert gone in done.stderr
    assert champion(page) == 3
    assert "nothing to do" in home.cbi("run").stdout
    assert edges(home) == ["opened", "closed"]
