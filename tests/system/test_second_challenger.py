"""A promoted recipe goes on speaking and is trained anew, whatever the code brings next."""

import polars as pl
import pytest

from cbi_pipeline.registry import newest_evidence, sort_decisions
from cbi_pipeline.warehouse import Warehouse
from tests.commands import Program
from tests.system.homes import Home
from tests.system.test_two_nights import earlier

pytestmark = pytest.mark.slow

#: The command, in a copy of the code whose challenger is another recipe.
LATER_CODE = """
import dataclasses
from cbi_pipeline.operations import recipes

load = recipes.load_recipe


def load_later(name, *asked):
    recipe = load(name, *asked)
    return dataclasses.replace(recipe, name="next", window=12) if name == "tiny" else recipe


recipes.load_recipe = load_later

from cbi_pipeline.cli import main
main()
"""


def later_code(home: Home, *arguments: str):
    return Program(LATER_CODE, arguments, home.environment).wait()


def table(home: Home, name: str, *where) -> pl.DataFrame:
    with Warehouse(home.settings.warehouse_dir).read() as store:
        return store.table(name, *where)


@pytest.fixture(scope="module")
def nights(tmp_path_factory, records):
    """A night, a promotion by hand, and a night of new code on more records."""
    folder = tmp_path_factory.mktemp("nights")
    then = earlier(records, folder / "archive")
    first = Home(folder / ".cbi", {"CBI_ARCHIVE_DIR": str(then)})
    first.run()
    assert first.cbi("models", "promote", "2", "--reason", "learned tails").returncode == 0
    home = Home(folder / ".cbi")
    done = later_code(home, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return home


def test_the_promoted_recipe_is_trained_on_the_new_records_and_speaks(nights):
    refreshes = table(nights, "registry.decision").filter(who="refresh", recipe="tiny")
    assert refreshes["version"].to_list() == [3]
    speaks = {"refresh": 3, "hold": 2}[refreshes["verdict"][0]]
    said = table(nights, "issued.forecast", "track = 'live'")
    newest = said.filter(pl.col("as_of") == pl.col("as_of").max())
    assert set(newest["model_version"]) == {str(speaks)}
    assert set(newest["commodity"]) == {"wti", "gasoline_mn"}


def test_the_gate_judges_the_new_challenger_against_the_promoted_recipe(nights):
    ruled = sort_decisions(table(nights, "registry.decision"))
    judged = ruled.filter(who="gate").row(-1, named=True)
    assert (judged["recipe"], judged["champion"]) == ("next", "tiny")
    walked = table(nights, "evaluation.fold", "evaluation_id = ?", [newest_evidence(ruled)])
    assert {"tiny", "next", "prior"} <= set(walked["recipe"])


def test_the_founder_speaks_again_after_a_rollback_under_the_new_code(nights):
    assert later_code(nights, "models", "rollback", "--reason", "as before").returncode == 0
    while sort_decisions(table(nights, "registry.decision"))["recipe"][-1] != "prior":
        assert later_code(nights, "models", "rollback", "--reason", "further").returncode == 0
    done = later_code(nights, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "prior is the first champion by the catalogue's choice" in done.stdout
    ruled = sort_decisions(table(nights, "registry.decision")).filter(who="gate")
    assert ruled.select("recipe", "champion").row(-1) == ("next", "prior")
