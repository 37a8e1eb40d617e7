"""A recipe that names its groups: its model has their columns alone, and stays as others change."""

import pytest

from cbi_pipeline.catalogue._recipes import find_recipes
from cbi_pipeline.registry import Registry
from cbi_pipeline.warehouse import Warehouse
from tests.catalogues import write_layer
from tests.system.homes import Home, copied

pytestmark = pytest.mark.slow

OTHER_SERIES = '[group.petroleum_monthly]\nuse = "EIA.MER.PAPRBUS"\n'


@pytest.fixture(scope="module")
def nights(one_night, tmp_path_factory):
    """Versions after a night with the challenger on its own price alone, and after another one.

    Before the second the catalogue gives a group that it does not read another series.
    """
    folder = tmp_path_factory.mktemp("narrow")
    home = Home(copied(one_night, folder / ".cbi"))
    recipe = home.settings.catalogue_dir / "recipes" / "tiny.toml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(f'groups = ["own_price"]\n{find_recipes()["tiny"].read_text()}')
    found = []
    for text in ("", OTHER_SERIES):
        write_layer(home.path, text)
        home.run()
        with Warehouse(home.settings.warehouse_dir).read() as store:
            found.append(store.table("registry.version").sort("version"))
    return home, *found


def test_its_version_reads_the_columns_of_its_groups_and_no_others(nights):
    home, first, _ = nights
    number = first.filter(recipe="tiny")["version"][-1]
    settings = home.settings
    registry = Registry(settings.mlflow_uri, settings.mlflow_dir / "artifacts")
    spec = registry.load(number).spec
    assert (spec.feature_set, spec.groups) == ("own_price", ("own",))


def test_a_version_stays_when_a_group_changes_that_it_does_not_read(nights):
    _, first, second = nights
    assert second["version"].to_list() == first["version"].to_list()
