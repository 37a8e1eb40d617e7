"""What doctor makes of a profile's keys."""

import pytest

from tests.catalogues import ALONE


@pytest.fixture
def look(cbi_here, tmp_path, monkeypatch):
    """Doctor's line about one subject, in a new home."""
    for name in ("EIA_API_KEY", "CFTC_APP_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def line(subject: str, **variables: str) -> str:
        done = cbi_here("doctor", home=tmp_path / "home", **variables)
        (found,) = (one for one in done.stdout.splitlines() if one[5:].split()[0] == subject)
        return found

    return line


def test_a_live_profile_none_of_whose_prices_can_be_asked_is_broken(look):
    said = look("EIA_API_KEY", CBI_PROFILE="live")
    assert said.startswith("fix")
    assert "EIA_API_KEY is not set. Get a key at https://www.eia.gov/opendata/" in said
    assert "no forecast of wti, brent" in said
    assert "CBI_PROFILE=archive" in said


def test_a_key_without_which_other_prices_come_is_waited_for(look, tmp_path):
    file = tmp_path / "catalogue.toml"
    text = ALONE.replace('"EIA.RBRTE"', '"CFTC.legacy.067651.open_interest_all"')
    brent = text.index('id = "brent"')
    file.write_text(text[:brent] + text[brent:].replace("USD/bbl", "contracts", 1))
    said = look("EIA_API_KEY", CBI_PROFILE="live", CBI_CATALOGUE_FILE=str(file))
    assert said.startswith("wait")
    assert "no forecast of wti, henry_hub" in said
    assert "Without it work: brent, the feed cftc" in said


def test_a_token_that_a_service_does_not_need_is_no_fault(look):
    said = look("CFTC_APP_TOKEN", CBI_PROFILE="live")
    assert said.startswith("ok")
    assert "not needed" in said


def test_a_key_that_is_set_is_in_order(look):
    assert look("EIA_API_KEY", CBI_PROFILE="live", EIA_API_KEY="k" * 40).split() == [
        "ok",
        "EIA_API_KEY",
        "set",
    ]


def test_the_archive_needs_no_key(look):
    assert look("EIA_API_KEY", CBI_PROFILE="archive").startswith("ok")
