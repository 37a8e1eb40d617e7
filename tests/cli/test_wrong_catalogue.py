"""A name in the catalogue that means nothing is refused before anything runs."""

import pytest

from tests.catalogues import ALONE


@pytest.fixture
def wrong(tmp_path):
    """The packaged catalogue with WTI in a unit that is not its series' own."""
    file = tmp_path / "catalogue.toml"
    file.write_text(ALONE.replace('unit = "USD/bbl"', 'unit = "USD/gal"'))
    return file


WORDS = "[[profile.archive.commodity]] wti: unit = 'USD/gal', but EIA.RWTC is in USD/bbl"


@pytest.mark.parametrize("command", ["run", "forecast", "report", "panel export rows.csv"])
def test_what_uses_the_catalogue_refuses_it_in_one_line(cbi_here, tmp_path, wrong, command):
    home = tmp_path / "home"
    done = cbi_here(*command.split(), home=home, CBI_CATALOGUE_FILE=str(wrong))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"{wrong}, {WORDS}" in done.stderr
    assert not home.exists()


def test_doctor_says_it_beside_all_else(cbi_here, tmp_path, wrong):
    done = cbi_here("doctor", home=tmp_path / "home", CBI_CATALOGUE_FILE=str(wrong))
    assert done.returncode == 1
    (line,) = (line for line in done.stdout.splitlines() if " catalogue " in line)
    assert line.startswith("fix")
    assert WORDS in line


def test_doctor_lists_what_waits_for_a_file_without_a_fault(cbi_here, tmp_path):
    file = tmp_path / "catalogue.toml"
    file.write_text(ALONE.replace('"EIA.RBRTE"', '"OWN.BRENT"'))
    done = cbi_here(
        "doctor", home=tmp_path / "home", CBI_PROFILE="live", CBI_CATALOGUE_FILE=str(file)
    )
    (line,) = (line for line in done.stdout.splitlines() if " brent " in line)
    assert line.startswith("wait")
    assert "cbi feeds import csv FILE --series OWN.BRENT --unit USD/bbl" in line
