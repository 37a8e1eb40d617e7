"""What is wrong with a catalogue is said with the entry and the field."""

import pytest

from cbi_pipeline.catalogue import CatalogueError, load_catalogue, load_feeds
from tests.catalogues import ALONE

REFITS = 'refits = "yearly"'


@pytest.fixture
def edited(tmp_path):
    """Writes the packaged catalogue with the first of one text replaced by another."""

    def write(old, new):
        file = tmp_path / "catalogue.toml"
        text = ALONE
        assert old in text
        file.write_text(text.replace(old, new, 1))
        return file

    return write


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "liquid = true",
            "liqid = true",
            "[[profile.archive.commodity]] wti: liquid is missing; liqid is no field",
        ),
        (
            "sessions_per_year = 252",
            "sessions_per_year = 0",
            "[[profile.archive.commodity]] wti: sessions_per_year",
        ),
        ('id = "gasoline_mn"', "", "[[profile.archive.commodity]] number 2: id is missing"),
        ('"1m" = 4', '"1m" = 4.5', "[[profile.archive.commodity]] gasoline_mn: horizons.1m: "),
        ('"1m" = 4', '"2m" = 4', "gasoline_mn: it has the horizons 1w, 2m, 1q, wti has 1w, 1m, 1q"),
        ('"1w" = 5', '"1w" = 0', "[[profile.archive.commodity]] wti: horizons.1w: "),
        ('"1w" = 5', '"1w" = 21', "wti: horizons: give at least one, each further ahead"),
        ('{ "1w" = 5, "1m" = 21, "1q" = 63 }', "{}", "wti: horizons: give at least one"),
        (
            'id = "gasoline_mn"',
            'id = "wti"',
            "wti: the id stands there twice",
        ),
        (REFITS, "years = 0", "[evaluation]: years: Input should be greater than 0"),
        (REFITS, "years = -3", "[evaluation]: years: Input should be greater than 0"),
        (REFITS, "years = true", "[evaluation]: years: Input should be a valid integer"),
        (REFITS, "years = 300000", "years: Input should be less than or equal to 1000"),
        (
            REFITS,
            "garch = true",
            "garch: write which recipes are wanted instead, as in",
        ),
        (REFITS, "lightgbm = false", "lightgbm: write which recipes are wanted"),
        ('"prior", "garch_t"', '"garch_t"', "baselines: skill is stated against prior; name them"),
        (
            '"garch_t", "gjr_t"]',
            '"ewma"]',
            "baselines: name each once: climatology, ewma, prior, ew",
        ),
        (REFITS, "roling_years = 8", "roling_years is no field of it; nearest: rolling_years"),
        ("[evaluation]", "[evalution]", "evaluation"),
        (
            "[evaluation]",
            "[extra]\n[evaluation]",
            "extra is no table of it; there are: base",
        ),
        ("[evaluation]", "[profile.archiv]\n[evaluation]", "archiv is no table of it"),
        (
            "[evaluation]",
            "[profile.archive.comodity]\n[evaluation]",
            "[profile.archive]: comodity is no table of it; there are: commodity",
        ),
        ("2019-01-03", '"2019"', "[[profile.archive.commodity]] wti: record_ends"),
        ('"EIA.EMM_EPMMU_PTE_SMN_DPG"', '"EIA.RWTC"', "wti: price_series EIA.RWTC prices more"),
        ("sessions_per_year = 252", 'sessions_per_year = "252"', "wti: sessions_per_year"),
        ('"1w" = 5', '"1w" = true', "wti: horizons.1w"),
        ("liquid = true", 'liquid = "yes"', "wti: liquid"),
    ],
)
def test_a_wrong_entry_is_named_in_one_line(edited, old, new, words):
    file = edited(old, new)
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(file)
    said = str(caught.value)
    assert said.startswith(str(file))
    assert words in said
    assert "\n" not in said


def test_a_single_table_of_commodities_is_told_how_to_be_written(tmp_path):
    file = tmp_path / "catalogue.toml"
    file.write_text("[commodity]\nid = 'wti'\n")
    with pytest.raises(CatalogueError, match=r"under a line \[\[commodity\]\]"):
        load_catalogue(file)


def test_a_wrong_entry_of_a_profile_is_named_with_it(edited):
    file = edited('id = "brent"\nname', 'id = "brent"\nnam')
    with pytest.raises(CatalogueError, match=r"\[\[profile\.public\.commodity\]\] brent: name is"):
        load_catalogue(file, profile="live")


def test_a_wrong_feed_is_named_with_its_field(edited):
    with pytest.raises(
        CatalogueError, match=r"\[feed\.eia\]: hours is missing; when is no field of it"
    ):
        load_feeds(edited("hours =", "when ="))


def test_a_feed_of_ones_own_file_changes_the_fields_that_it_names(tmp_path):
    file = tmp_path / "catalogue.toml"
    file.write_text('[feed.eia]\nkeep = { "EIA.RBRTE" = "the desk" }\n')
    shipped, own = load_feeds()[0], load_feeds(file)[0]
    assert own == shipped.model_copy(update={"keep": {"EIA.RBRTE": "the desk"}})


@pytest.mark.parametrize("keep", ['""', '{ "EIA.RBRTE" = "" }', '["EIA.RBRTE"]'])
def test_a_series_is_kept_for_a_reason_only(edited, keep):
    with pytest.raises(CatalogueError, match=r"\[feed\.eia\]: keep"):
        load_feeds(edited("[feed.eia]", f"[feed.eia]\nkeep = {keep}"))


def test_what_is_wrong_with_another_profile_is_told_in_every_profile(edited):
    file = edited('id = "brent"\nname', 'id = "brent"\nnam')
    with pytest.raises(CatalogueError, match=r"\[\[profile\.public\.commodity\]\] brent"):
        load_catalogue(file, profile="archive")


@pytest.mark.parametrize("zone", ["America/NewYork", "../etc/passwd", ""])
def test_a_feeds_zone_that_is_none_is_named(edited, zone):
    file = edited('zone = "America/New_York"', f'zone = "{zone}"')
    with pytest.raises(CatalogueError, match=r"\[feed\.eia\]: zone: .*no time zone"):
        load_feeds(file)


@pytest.mark.parametrize(
    "line",
    [
        *("0 22 * *", "60 22 * * *", "0 24 * * *", "0 22 0 * *", "0 22 * 13 *", "0 22 * * 8"),
        *("0 22 * * mo", "5-1 22 * * *", "*/0 22 * * *", "a 22 * * *", "0 22 * * 1-", "@nightly"),
    ],
)
def test_a_feeds_hours_that_no_clock_shows_are_named(edited, line):
    file = edited('"0 22 * * *"', f'"{line}"')
    with pytest.raises(CatalogueError, match=r"\[feed\.eia\]: cron: .*") as caught:
        load_feeds(file)
    assert repr(line) in str(caught.value)


@pytest.mark.parametrize("line", ["0 22 * * 1-5", "*/15 6,18 1-7/2 jan-mar MON", "0 0 31 12 7"])
def test_every_way_to_write_hours_is_taken(edited, line):
    assert load_feeds(edited('"0 22 * * *"', f'"{line}"'))[0].cron[1] == line


def test_a_file_that_is_no_text_is_named(tmp_path):
    file = tmp_path / "catalogue.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(CatalogueError, match=r"catalogue\.toml cannot be read"):
        load_catalogue(file)
