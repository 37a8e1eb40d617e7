"""Every name in a catalogue is looked up; what is wrong is said with the right names beside it."""

import pytest

from cbi_pipeline.catalogue import CatalogueError, load_catalogue
from cbi_pipeline.ingest import import_file
from cbi_pipeline.operations import awaited_files, check_catalogue, unbrought_inputs
from cbi_pipeline.operations.import_csv import import_csv
from cbi_pipeline.settings import Settings
from tests.catalogues import ALONE
from tests.feed_servers.world import COMMODITY


@pytest.fixture
def check(tmp_path):
    """Checks the packaged catalogue with some texts replaced."""

    def checked(*edits: tuple[str, str], profile: str = "archive"):
        file = tmp_path / "catalogue.toml"
        text = ALONE
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        file.write_text(text)
        settings = Settings(
            _env_file=None, home=tmp_path / "home", profile=profile, catalogue_file=file
        )
        catalogue = load_catalogue(file, profile=profile)
        check_catalogue(catalogue, settings)
        return awaited_files(catalogue, settings)

    return checked


def refused(check, *edits, profile="archive") -> str:
    with pytest.raises(CatalogueError) as caught:
        check(*edits, profile=profile)
    said = str(caught.value)
    assert "\n" not in said
    assert "catalogue.toml" in said
    return said


@pytest.mark.parametrize("profile", ["archive", "public", "live"])
def test_the_shipped_catalogue_is_right_and_waits_for_nothing(check, profile):
    assert check(profile=profile) == {}


@pytest.mark.parametrize(
    ("profile", "where"),
    [
        ("archive", "[[profile.archive.commodity]] wti"),
        ("live", "[[profile.public.commodity]] wti"),
    ],
)
def test_a_unit_that_is_not_the_series_own_is_named_with_the_right_one(check, profile, where):
    said = refused(check, ('unit = "USD/bbl"', 'unit = "USD/gal"'), profile=profile)
    assert f"{where}: unit = 'USD/gal', but EIA.RWTC is in USD/bbl" in said


@pytest.mark.parametrize("series", ["EIA.NOPE", "eia.rwtc", "RWTC", "CFTC.RWTC", ""])
def test_a_series_that_nothing_brings_is_named_with_one_of_its_unit(check, series):
    said = refused(check, ('price_series = "EIA.RWTC"', f'price_series = "{series}"'))
    assert f"wti: price_series = {series!r}: no source of the archive profile brings it" in said
    assert "EIA.RWTC" in said


def test_a_series_of_the_other_profile_is_told_where_it_comes_from(check):
    said = refused(check, ('"EIA.RBRTE"', '"EIA.EMM_EPMMU_PTE_SMN_DPG"'), profile="live")
    assert "only the archive profile brings it" in said


def test_a_series_with_two_sources_in_a_profile_is_named_with_both(check):
    said = refused(check, ('profiles = ["public"]', 'profiles = ["live"]'), profile="live")
    assert "[feed.eia_history]: the profile live has EIA.RWTC from eia already" in said


def test_a_calendar_that_is_not_there_is_named_with_those_there_are(check):
    said = refused(check, ('"eia_retail_weekly"', '"eia_retail_weekli"'))
    assert "gasoline_mn: calendar = 'eia_retail_weekli'" in said
    assert "eia_retail_weekly" in said


def test_a_series_that_a_feed_cannot_keep_is_named_with_the_nearest(check):
    said = refused(check, ("[feed.eia]", '[feed.eia]\nkeep = { "EIA.RWTD" = "a reason" }'))
    assert "[feed.eia]: keep: EIA.RWTD is no series or report of it; nearest: EIA.RWTC" in said
    report = '[feed.cftc]\nkeep = { "CFTC.legacy.067651" = "a reason" }'
    assert check(("[feed.cftc]", report), profile="live") == {}


def test_a_group_or_an_input_that_does_not_exist_is_named_with_the_nearest(check):
    said = refused(check, ("[group.own_price]", "[group.own_prise]"))
    assert "[group.own_prise]: no such feature group; nearest: own_price" in said
    said = refused(check, ('stocks = "EIA', 'stock = "EIA'))
    assert "[group.petroleum_weekly]: stock is no input of it; nearest: stocks" in said
    line = 'related = "wti"\ngroups.own_price = { stocks = "OWN.STOCKS" }'
    said = refused(check, ('related = "wti"', line))
    assert "gasoline_mn: groups.own_price: stocks is no input of it; it reads no series" in said


@pytest.mark.parametrize("related", ["wtj", "gasoline_mn"])
def test_a_related_market_that_is_none_is_refused(check, related):
    said = refused(check, ('related = "wti"', f'related = "{related}"'))
    assert "gasoline_mn: related" in said


def test_all_that_is_wrong_is_said_at_once(check):
    said = refused(
        check, ('unit = "USD/bbl"', 'unit = "USD/gal"'), ('"eia_retail_weekly"', '"weekly"')
    )
    assert "wti: unit" in said
    assert "gasoline_mn: calendar" in said


def test_an_own_series_that_nobody_imported_is_no_error_and_says_how_to_import_it(check):
    text = ('id = "brent"', 'id = "brent_own"')
    related = ('related = "brent"', 'related = "brent_own"')
    waiting = check(('"EIA.RBRTE"', '"OWN.CRUDE"'), text, related, profile="live")
    assert set(waiting) == {"brent_own"}
    words = "cbi feeds import csv FILE --series OWN.CRUDE --unit USD/bbl"
    assert words in waiting["brent_own"]


def imported(tmp_path, unit):
    file = tmp_path / "own.csv"
    file.write_text("period,value\n2019-01-02,50\n2019-01-03,51\n")
    settings = Settings(_env_file=None, home=tmp_path / "home", profile="live")
    import_csv(settings, file, series="OWN.CRUDE", unit=unit, source="the desk")


def test_an_own_series_that_was_imported_waits_no_more(check, tmp_path):
    imported(tmp_path, "USD/bbl")
    assert check(('"EIA.RBRTE"', '"OWN.CRUDE"'), profile="live") == {}


def test_an_own_series_keeps_the_unit_it_was_imported_in(check, tmp_path):
    imported(tmp_path, "USD/t")
    said = refused(check, ('"EIA.RBRTE"', '"OWN.CRUDE"'), profile="live")
    assert "brent: unit = 'USD/bbl', but OWN.CRUDE is in USD/t" in said


def test_an_own_series_can_wait_only_in_a_unit_that_can_be_imported(check):
    said = refused(
        check,
        ('"EIA.RNGWHHD"', '"OWN.GAS"'),
        ('unit = "USD/MMBtu"', 'unit = "USD/mmBTU"'),
        profile="live",
    )
    assert "henry_hub: unit = 'USD/mmBTU'" in said
    assert "USD/MMBtu" in said


@pytest.mark.parametrize(
    "module", ["cbi_pipeline.feeds.eja", "cbi_pipeline.settings", "tests.defs.broken_feed"]
)
def test_a_feeds_module_that_cannot_be_used_is_named_with_its_entry(check, module):
    said = refused(check, ('module = "cbi_pipeline.feeds.eia"', f'module = "{module}"'))
    assert f"[feed.eia]: module = {module!r} cannot be used" in said


def with_files(series: str, unit: str) -> tuple[str, str]:
    """An edit that adds a source of files, and a commodity priced by it."""
    entry = '[file.tide]\nmodule = "tests.ingest.tide_files"\nbrings = "Tide tables"\n'
    commodity = COMMODITY.format(name="tide", unit=unit, series=series)
    commodity = commodity.replace("5 }", '5, "1m" = 21, "1q" = 63 }')
    return "[evaluation]", f"{entry}{commodity}\n[evaluation]"


def test_a_series_of_a_file_source_waits_for_its_file(check):
    waiting = check(with_files("TIDE.Hoch", "index"), profile="live")
    assert waiting == {"tide": "needs a file: `cbi feeds import tide FILE`"}


def test_a_series_of_a_file_source_has_the_unit_of_its_table(check):
    said = refused(check, with_files("TIDE.Hoch", "USD/t"), profile="live")
    assert "tide: unit = 'USD/t', but TIDE.Hoch is in index" in said


def test_a_series_of_a_file_source_that_was_imported_waits_no_more(check, tmp_path):
    check(with_files("TIDE.Hoch", "index"), profile="live")
    file = tmp_path / "table.csv"
    file.write_text("Tag;Hoch;Tief\n01.02.2020;4,5;1,25\n02.02.2020;4,25;1,5\n")
    settings = Settings(
        _env_file=None,
        home=tmp_path / "home",
        profile="live",
        catalogue_file=tmp_path / "catalogue.toml",
    )
    import_file(settings, file, kind="tide")
    assert check(with_files("TIDE.Hoch", "index"), profile="live") == {}


def test_every_input_that_no_source_brings_is_named_with_the_columns_it_leaves_absent(tmp_path):
    settings = Settings(_env_file=None, home=tmp_path / "home", profile="live")
    found = unbrought_inputs(load_catalogue(profile="live"), settings)
    assert found["EIA.WGFRPUS2"] == "gasoline_output_change_4, gasoline_output_season"
    assert found["EIA.MER.PMTCBUS"] == "petroleum_use_year"
    assert len(found) == 5


def test_where_every_input_is_brought_or_imported_none_is_named(tmp_path):
    settings = Settings(_env_file=None, home=tmp_path / "home", profile="archive")
    catalogue = load_catalogue()
    assert unbrought_inputs(catalogue, settings) == {}
    wti, gasoline = catalogue.commodities
    own = wti.model_copy(update={"groups": {"petroleum_weekly": {"stocks": "OWN.CRUDE"}}})
    edited = catalogue.model_copy(update={"commodities": (own, gasoline)})
    columns = "stocks_change_1, stocks_change_4, stocks_season"
    assert unbrought_inputs(edited, settings) == {"OWN.CRUDE": columns}
    imported(tmp_path, "USD/bbl")
    assert unbrought_inputs(edited, settings) == {}
