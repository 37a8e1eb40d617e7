"""Files of one's own are laid over the shipped catalogue, the later over the earlier."""

import pytest

from cbi_pipeline.catalogue import CatalogueError, load_catalogue, load_feeds, read_layers
from cbi_pipeline.catalogue._layers import PACKAGED
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import Settings
from tests.catalogues import SMALL, write_layer

GAS = """
[[commodity]]
id = "own_gas"
name = "Own gas"
unit = "USD/MMBtu"
price_series = "OWN.GAS"
calendar = "eia_spot_daily"
sessions_per_year = 252
horizons = { "1w" = 5, "1m" = 21, "1q" = 63 }
liquid = true
stale_after_days = 21
"""
#: Hashes that homes of earlier versions keep of the catalogue they were made with.
SHIPPED = {
    "archive": "bdbd9871b33a069fe19a25adb36ac7a094d0985651bc57ab0830deb8cfa10c0f",
    "public": "cad5694361d181acf220b5272668be7bd811ffb1c5ae5b84c53e31854bbd47c8",
    "live": "cad5694361d181acf220b5272668be7bd811ffb1c5ae5b84c53e31854bbd47c8",
}


@pytest.fixture
def layer(tmp_path):
    """Writes one more file, laid over those before it; all of them."""
    files = []

    def write(text):
        files.append(tmp_path / f"layer_{len(files)}.toml")
        files[-1].write_text(text)
        return tuple(files)

    return write


def ids(*files, profile="archive"):
    return [one.id for one in load_catalogue(*files, profile=profile).commodities]


def refused(*files, profile="archive") -> str:
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(*files, profile=profile)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("profile", SHIPPED)
def test_the_shipped_catalogue_is_what_homes_were_made_with(profile):
    assert load_catalogue(profile=profile).identity == SHIPPED[profile]


def test_the_catalogue_for_tests_is_what_homes_were_made_with():
    small = Pipeline(Settings(_env_file=None, catalogue_file=SMALL)).catalogue
    assert small.identity == "6a641419200fbd2ef711462c3adc6dcd6977fe504e006296dd8ba94bc2631708"


@pytest.mark.parametrize("profile", SHIPPED)
def test_a_commodity_of_ones_own_stands_after_the_shipped_ones_in_every_profile(layer, profile):
    assert ids(*layer(GAS), profile=profile) == [*ids(profile=profile), "own_gas"]


@pytest.mark.parametrize(
    ("profile", "followed"), [("live", {"live"}), ("public", {"public", "live"})]
)
def test_a_commodity_of_one_profile_is_followed_there_alone(layer, profile, followed):
    files = layer(GAS.replace("[[commodity]]", f"[[profile.{profile}.commodity]]"))
    assert {name for name in SHIPPED if "own_gas" in ids(*files, profile=name)} == followed


def test_every_commodity_without_a_key_is_followed_with_one_under_the_same_series():
    live = load_catalogue(profile="live")
    public = load_catalogue(profile="public").commodities
    assert public
    assert all(live.commodity(one.id) == one for one in public)


@pytest.mark.parametrize(
    ("heading", "changed"),
    [
        ("commodity", {"archive", "public", "live"}),
        ("profile.public.commodity", {"public", "live"}),
        ("profile.live.commodity", {"live"}),
    ],
)
def test_an_entry_changes_the_fields_that_it_names_and_no_others(layer, heading, changed):
    files = layer(f'[[{heading}]]\nid = "wti"\nstale_after_days = 3\n')
    for profile in SHIPPED:
        before = load_catalogue(profile=profile).commodity("wti")
        update = {"stale_after_days": 3} if profile in changed else {}
        now = load_catalogue(*files, profile=profile).commodity("wti")
        assert now == before.model_copy(update=update)


def test_an_entry_for_every_profile_changes_a_commodity_only_where_it_is_followed(layer):
    files = layer('[[commodity]]\nid = "brent"\nstale_after_days = 3\n')
    assert load_catalogue(*files, profile="live").commodity("brent").stale_after_days == 3
    assert ids(*files) == ids()


def test_horizons_and_lists_are_replaced_whole(layer):
    files = layer(
        '[[profile.archive.commodity]]\nid = "wti"\nhorizons = { "2w" = 10 }\n'
        '[[profile.archive.commodity]]\nid = "gasoline_mn"\nhorizons = { "2w" = 2 }\n'
        '[evaluation]\nchallengers = ["tiny"]\n[feed.eia]\ncron = ["0 1 * * *"]\n'
    )
    catalogue = load_catalogue(*files)
    assert catalogue.commodity("wti").horizons == {"2w": 10}
    assert catalogue.evaluation.challengers == ("tiny",)
    assert load_feeds(*files)[0].cron == ("0 1 * * *",)


def test_a_series_of_a_group_is_replaced_and_its_others_stay(layer):
    files = layer(
        '[group.petroleum_weekly]\nstocks = "OWN.STOCKS"\n[[commodity]]\nid = "wti"\n'
        'groups.positions = { contract = "CFTC.legacy.067651" }\n'
    )
    shipped, own = load_catalogue(profile="live"), load_catalogue(*files, profile="live")
    weekly = shipped.groups["petroleum_weekly"] | {"stocks": "OWN.STOCKS"}
    assert own.groups == shipped.groups | {"petroleum_weekly": weekly}
    groups = {"contract": "CFTC.legacy.067651"}
    before = shipped.commodity("wti").groups
    assert own.commodity("wti").groups == before | {"positions": groups}


def test_a_later_file_is_laid_over_an_earlier_one(layer):
    layer(f"{GAS}\n[evaluation]\nyears = 3\norigins = 30\n")
    files = layer('[[commodity]]\nid = "own_gas"\nname = "Gas"\n[evaluation]\nyears = 4\n')
    catalogue = load_catalogue(*files)
    gas, plan = catalogue.commodity("own_gas"), catalogue.evaluation
    assert (gas.name, gas.unit, plan.years, plan.origins) == ("Gas", "USD/MMBtu", 4, 30)


@pytest.mark.parametrize(
    ("names", "left"),
    [
        ('"commodity"', []),
        (
            '"profile.archive.commodity.wti", "commodity.gasoline_mn.related"',
            ["gasoline_mn"],
        ),
        ('"profile.archive.commodity"', []),
    ],
)
def test_what_a_file_removes_is_gone_before_its_own_entries_come(layer, names, left):
    assert ids(*layer(f"remove = [{names}]\n{GAS}")) == [*left, "own_gas"]


def test_groups_feeds_and_single_values_are_removed_by_name(layer):
    layer("[evaluation]\nyears = 3\n")
    files = layer('remove = ["group.petroleum_weekly", "feed.cftc", "evaluation.years"]\n')
    catalogue = load_catalogue(*files)
    assert list(catalogue.groups) == ["own_price", "related_price", "petroleum_monthly"]
    assert catalogue.evaluation.years is None
    assert [feed.name for feed in load_feeds(*files)] == ["eia", "eia_history", "worldbank"]


def test_a_commodity_that_was_removed_may_be_written_anew(layer):
    layer('remove = ["commodity"]\n' + GAS)
    files = layer('remove = ["commodity.own_gas"]\n' + GAS.replace("OWN.GAS", "OWN.OTHER"))
    (one,) = load_catalogue(*files).commodities
    assert one.price_series == "OWN.OTHER"


def test_what_the_removal_of_a_commodity_leaves_behind_is_named_with_the_file_that_took_it(layer):
    (file,) = layer('remove = ["commodity.gasoline_mn"]\n')
    said = refused(file)
    assert said.startswith(f"{PACKAGED}, [[profile.archive.commodity]] wti: related gasoline_mn is")
    assert said.endswith(f"{file} takes it out")


def test_without_a_base_nothing_of_the_shipped_catalogue_is_left(layer):
    files = layer(f'base = "none"\n{GAS}\n[evaluation]\nyears = 1\norigins = 8\nrefits = "yearly"')
    assert ids(*files) == ids(*files, profile="live") == ["own_gas"]
    assert load_catalogue(*files).groups == {}
    assert load_feeds(*files) == ()


def test_any_file_may_leave_the_base_out_and_the_others_stay(layer):
    layer(GAS)
    files = layer('base = "none"\n[evaluation]\nyears = 1\norigins = 8\nrefits = "yearly"')
    assert ids(*files) == ["own_gas"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('base = "nothing"\n', "base = 'nothing': write base = \"none\""),
        ('remove = "commodity.wti"\n', "remove takes a list of names"),
        (
            'remove = ["commodity.wty"]\n',
            "no file before this one has commodity.wty; near",
        ),
        ('remove = ["group.own_prise"]\n', "nearest: group.own_price"),
        ('[[commodity]]\nname = "x"\n', "[[commodity]] number 1: id is missing"),
        ("[[commodity]]\nid = 3\n", "[[commodity]] number 1: id: 3 is no text"),
        ('[[commodity]]\nid = "wti"\nliqid = true\n', "[[commodity]] wti: liqid is no field of it"),
        ('[[commodity]]\nid = "wtj"\nliquid = true\n', "[[commodity]] wtj: name is missing; "),
        ('[[commodity]]\nid = "wti"\nrelated = "gas"\n', "[[commodity]] wti: related gas is no"),
        (
            '[[commodity]]\nid = "wti"\nhorizons = { "1d" = 1 }\n',
            "gasoline_mn: it has the",
        ),
        ("[group.own_price]\nstocks = 3\n", "[group.own_price]: stocks: "),
        ("group = 3\n", "group must be a table, found 3"),
        ("group.own_price = 3\n", "own_price must be a table, found 3"),
        ('[feed.eia]\nname = "x"\n', "[feed.eia]: leave name out"),
        ('[evaluation]\nyears = "x"\n', "[evaluation]: years: "),
        ('base = "none"\n', "no commodity is followed in the profile archive"),
    ],
)
def test_what_is_wrong_is_said_of_the_file_that_it_is_in(layer, text, words):
    (file,) = layer(text)
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(file)
        load_feeds(file)
    said = str(caught.value)
    assert words in said
    assert "\n" not in said
    assert str(file) in said or "gasoline_mn: it has" in said


def test_faults_of_two_files_in_one_entry_are_each_said_of_their_file(layer):
    layer('[[commodity]]\nid = "wti"\nliquid = "yes"\n')
    first, second = layer('[[commodity]]\nid = "wti"\nstale_after_days = 0\n')
    said = refused(first, second)
    assert f"{first}, [[commodity]] wti: liquid: " in said
    assert f"{second}, [[commodity]] wti: stale_after_days: " in said


def test_every_value_keeps_the_file_it_came_from(layer):
    (file,) = layer('[[commodity]]\nid = "wti"\nstale_after_days = 3\n')
    at = ("profile", "live", "commodity", "wti")
    files = {path[-1]: origin.file for path, _, origin in read_layers(file).values(*at)}
    assert files["stale_after_days"] == file
    assert set(files.values()) == {file, PACKAGED}


def test_a_homes_own_files_are_laid_by_name_and_the_named_file_last(tmp_path):
    home, named = tmp_path / "home", tmp_path / "named.toml"
    write_layer(home, "").with_name("b.toml").write_text("[evaluation]\nyears = 3\norigins = 9\n")
    (home / "catalogue" / "a.toml").write_text(f"{GAS}[evaluation]\nyears = 5\n")
    named.write_text("[evaluation]\norigins = 7\n")
    settings = Settings(_env_file=None, home=home, catalogue_file=named)
    catalogue = load_catalogue(*settings.catalogue_files)
    assert (catalogue.evaluation.years, catalogue.evaluation.origins) == (3, 7)
    assert catalogue.commodity("own_gas")


def test_a_catalogue_that_ships_is_named_without_its_folder(tmp_path):
    settings = Settings(_env_file=None, home=tmp_path, catalogue_file="small.toml")
    assert settings.catalogue_file.is_file()
    assert load_catalogue(*settings.catalogue_files).evaluation.challengers == ("tiny",)
