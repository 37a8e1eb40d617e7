"""A recipe launched from the Dagster page completes its round, and the look follows by itself."""

import time
from collections.abc import Callable, Iterator

import pytest

from cbi_pipeline.catalogue._layers import PACKAGED
from cbi_pipeline.warehouse import Warehouse
from tests.catalogues import write_layer
from tests.system.homes import PATIENCE_S, Home, copied
from tests.system.pages import Pages
from tests.system.test_browser import browser, picture, press, pytestmark, seen

__all__ = ["browser", "pytestmark"]

OTHER = "other"
#: No catalogue is named beside the home's own files.
ALONE = {"CBI_CATALOGUE_FILE": ""}
KEYS = (
    '{assetNodeOrError(assetKey:{path:["evaluation", "walk_forward"]})'
    "{...on AssetNode{partitionKeys}}}"
)


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(1)


@pytest.fixture(scope="module")
def home(one_night, tmp_path_factory) -> Home:
    """A home whose round is complete, and whose own catalogue names one recipe more."""
    made = Home(copied(one_night, tmp_path_factory.mktemp("round") / ".cbi"), ALONE)
    shipped = PACKAGED.parent / "catalogue"
    layer = write_layer(made.path, f'[evaluation]\nchallengers = ["tiny", "{OTHER}"]\n')
    # What the home was made with, as a file of its own, so that a later one adds to it.
    layer.with_name("a.toml").write_bytes((shipped / "shipped" / "small.toml").read_bytes())
    tiny = (shipped / "recipes" / "tiny.toml").read_text()
    recipes = layer.parent / "recipes"
    recipes.mkdir()
    (recipes / f"{OTHER}.toml").write_text(tiny.replace("window = 16", "window = 12"))
    return made


@pytest.fixture(scope="module")
def pages(home) -> Iterator[Pages]:
    pages = Pages(home.environment)
    pages.await_open()
    yield pages
    pages.close()


def looks(home: Home) -> list[str]:
    with Warehouse(home.settings.warehouse_dir).read() as store:
        ruled = store.table("registry.decision").filter(who="gate").sort("decided_at")
    return ruled["recipe"].to_list()


def list_partitions(pages: Pages) -> list[str]:
    keys: list[str] = pages.ask(KEYS)["assetNodeOrError"]["partitionKeys"]
    return keys


def test_a_recipe_launched_from_the_page_is_judged_by_itself(home, pages, browser):
    until(lambda: OTHER in list_partitions(pages), "the recipe never became a partition")
    before, decided = looks(home), pages.runs("decide")
    browser.get(f"{pages.address}/assets/evaluation/walk_forward?view=partitions")
    seen(browser, OTHER)
    press(browser, "Materialize")
    seen(browser, "Partition selection")
    press(browser, "Missing")
    seen(browser, "1 partition")
    picture(browser, "recipe-launch")
    press(browser, "Launch 1 run")

    def is_decided() -> bool:
        new = pages.runs("decide").items() - decided.items()
        return any(status == "SUCCESS" for _, status in new)

    until(is_decided, "the gate never looked")
    assert looks(home) == [*before, OTHER]


def test_the_page_shows_its_figures_and_who_answers_for_them(pages, browser):
    address = f"{pages.address}/assets/evaluation/walk_forward"
    browser.get(f"{address}?view=partitions&partition={OTHER}")
    for words in ("gathered anew", "crps", "coverage_80"):
        seen(browser, words)
    picture(browser, "recipe-figures")
    browser.get(address)
    seen(browser, "models")
    picture(browser, "walk-forward")
