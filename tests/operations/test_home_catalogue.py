"""A home is made with one catalogue; another one is told to take a home of its own."""

import pytest

from cbi_pipeline.catalogue import CatalogueError
from cbi_pipeline.operations.home_catalogue import note_catalogue, require_own_home
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import Settings
from tests.catalogues import SMALL, write_layer
from tests.test_catalogue_layers import GAS

FEWER = "[evaluation]\norigins = 20\n"
ALONE = f'base = "none"\n{GAS}[evaluation]\nyears = 1\norigins = 8\nrefits = "yearly"\n'


@pytest.fixture
def named(tmp_path):
    """Settings of one home that name a file with a text, or none."""

    def settings(text: str | None = None, file: str = "desk.toml") -> Settings:
        path = tmp_path / file
        if text is not None:
            path.write_text(text)
        catalogue_file = path if text is not None else None
        return Settings(_env_file=None, home=tmp_path / "home", catalogue_file=catalogue_file)

    return settings


def make(settings: Settings) -> None:
    """What a run leaves in its home."""
    note_catalogue(settings)
    settings.warehouse_dir.mkdir(exist_ok=True)


def refused(settings: Settings) -> str:
    with pytest.raises(CatalogueError) as caught:
        Pipeline(settings).require_catalogue()
    said = str(caught.value)
    assert "\n" not in said
    assert f"{settings.home} was made with " in said
    assert "set CBI_HOME to another folder" in said
    return said


def test_a_home_in_which_nothing_ran_takes_any_catalogue_and_stays_unmade(named):
    for settings in (named(), named(FEWER), named(ALONE)):
        require_own_home(settings)
    assert not settings.home.exists()


def test_a_home_whose_first_run_brought_nothing_takes_another_catalogue(named):
    note_catalogue(named(FEWER))
    require_own_home(named())


def test_files_of_the_homes_own_come_and_go(named):
    settings = named()
    make(settings)
    for text in (GAS, FEWER, 'remove = ["commodity.wti", "commodity.gasoline_mn.related"]\n', ""):
        write_layer(settings.home, text)
        require_own_home(settings)


def test_a_named_file_may_be_edited(named):
    make(named(FEWER))
    require_own_home(named(GAS))


def test_another_named_file_is_refused_with_the_one_that_the_home_was_made_with(named):
    make(named(FEWER))
    said = refused(named(GAS, "other.toml"))
    assert "other.toml, and the evidence" in said
    assert "desk.toml again" in said


def test_a_named_file_that_is_left_out_is_missed(named):
    make(named(FEWER))
    assert "desk.toml again" in refused(named())


def test_a_named_file_in_a_home_of_the_shipped_catalogue_is_refused(named):
    make(named())
    assert "made with the catalogue that ships, not with" in refused(named(GAS))


def test_a_home_is_told_that_the_base_was_left_out(named):
    make(named())
    write_layer(named().home, ALONE)
    assert 'take back base = "none"' in refused(named())
    make(named())
    write_layer(named().home, GAS)
    assert 'write base = "none"' in refused(named())


def test_a_file_that_was_moved_is_the_same(named):
    make(named(FEWER))
    require_own_home(named(FEWER, "moved.toml"))


def test_a_named_file_may_become_one_of_the_homes_own(named):
    make(named(FEWER))
    write_layer(named().home, FEWER)
    require_own_home(named())


def test_a_catalogue_that_ships_is_known_by_its_name_wherever_the_package_lies(named, tmp_path):
    settings = Settings(_env_file=None, home=tmp_path / "home", catalogue_file=SMALL)
    make(settings)
    assert '"named": "small.toml"' in (settings.home / "made_with.json").read_text()
    require_own_home(settings)


def test_a_note_that_cannot_be_read_is_named(named):
    make(named())
    (named().home / "made_with.json").write_text("{")
    with pytest.raises(CatalogueError, match=r"made_with\.json cannot be read: .*; delete it"):
        require_own_home(named())
