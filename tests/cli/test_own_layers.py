"""A home's own catalogue file: doctor and every command that uses it say what is wrong with it."""

import pytest

from cbi_pipeline.catalogue._layers import PACKAGED
from tests.catalogues import write_layer
from tests.test_catalogue_layers import GAS

WTI = '[[commodity]]\nid = "wti"\n'
ALONE = f'base = "none"\n{GAS}groups.own_price = {{}}\n[evaluation]\n'
ALONE += 'years = 1\norigins = 8\nrefits = "yearly"\nchallengers = ["tiny"]\n'
COMMANDS = ("run", "forecast", "report", "panel export rows.csv", "catalogue show")
#: What is written, and what every command must say of it.
WRONG = {
    "a misspelt key": (f"{WTI}liqid = true\n", "wti: liqid is no field of it; nearest: liquid"),
    "a calendar": (f'{WTI}calendar = "eia_spot_dayly"\n', "nearest: eia_spot_daily"),
    "a series": (f'{WTI}price_series = "EIA.RWTD"\n', "no source of the archive profile brings it"),
    "a group": ("[group.own_prise]\n", "no such feature group; nearest: own_price"),
    "a recipe": ('[evaluation]\nchallengers = ["tini"]\n', "no recipe 'tini'; nearest: tiny"),
    "a unit": (f'{WTI}unit = "USD/gal"\n', "unit = 'USD/gal', but EIA.RWTC is in USD/bbl"),
    "a removal": ('remove = ["commodity.wty"]\n', "has commodity.wty; nearest: commodity.wti"),
    "no years": ("[evaluation]\nyears = 0\n", "[evaluation]: years: Input should be greater"),
}


@pytest.fixture
def own(cbi_here, tmp_path):
    """Runs the command over a home whose catalogue folder holds one file."""

    def run(text: str, *arguments: str, **variables: str):
        write_layer(tmp_path / "home", text)
        shipped = {"CBI_CATALOGUE_FILE": "", **variables}
        return cbi_here(*arguments, home=tmp_path / "home", **shipped)

    return run


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("text", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_refused_in_one_line_by_what_uses_it(own, tmp_path, text, words, command):
    done = own(text, *command.split())
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr
    assert str(tmp_path / "home" / "catalogue" / "own.toml") in done.stderr
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["catalogue"]


@pytest.mark.parametrize(("text", "words"), WRONG.values(), ids=WRONG)
def test_doctor_says_what_is_wrong_with_it(own, text, words):
    done = own(text, "doctor")
    (line,) = (line for line in done.stdout.splitlines() if " catalogue " in line)
    assert done.returncode == 1
    assert line.startswith("fix")
    assert words in line


@pytest.mark.parametrize(
    ("text", "followed", "waiting"),
    [
        (GAS, "3 commodities", ["own_gas"]),
        (f"{WTI}stale_after_days = 3\n", "2 commodities", []),
        ('remove = ["commodity.gasoline_mn", "commodity.wti.related"]\n', "1 commodities", []),
        (ALONE, "1 commodities", ["own_gas"]),
    ],
    ids=["one more", "a changed field", "one less", "nothing that ships"],
)
def test_a_right_file_is_in_order_and_what_it_adds_waits_for_its_file(own, text, followed, waiting):
    lines = own(text, "doctor").stdout.splitlines()
    (line,) = (line for line in lines if " catalogue " in line)
    assert line.startswith("ok")
    assert followed in line
    waits = [line for line in lines if line.startswith("wait") and "needs a file" in line]
    assert [line.split()[1] for line in waits] == waiting
    shown = own(text, "catalogue", "show")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "run `cbi run`" in own(text, "forecast").stderr


def test_without_a_base_nothing_of_the_shipped_file_is_shown(own):
    assert str(PACKAGED) not in own(ALONE, "catalogue", "show").stdout


def test_an_own_file_changes_what_a_feed_is_asked_for(own):
    text = '[[commodity]]\nid = "wti"\ngroups.own_supply = { stocks = "EIA.WGTSTUS1" }\n'
    told = own(text, "feeds", "show", "eia", CBI_PROFILE="live").stdout
    (line,) = (line for line in told.splitlines() if line.startswith("EIA.WGTSTUS1 "))
    assert line.endswith("own_supply.stocks of wti, gasoline_nyh")


def test_a_catalogue_is_named_before_the_command(own, tmp_path, monkeypatch):
    named = tmp_path / "desk.toml"
    named.write_text("[evaluation]\norigins = 7\n")
    monkeypatch.chdir(tmp_path)
    told = own("", "--catalogue", "desk.toml", "catalogue", "show", "evaluation").stdout
    assert ["origins", "7", str(named)] in [line.split() for line in told.splitlines()]


def test_a_catalogue_named_after_the_command_is_told_where_to_stand(own):
    done = own("", "catalogue", "show", "--catalogue", "small.toml")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "write --catalogue FILE right after cbi" in done.stderr


def test_a_named_catalogue_that_is_not_there_is_refused(own):
    done = own("", "--catalogue", "dsek.toml", "catalogue", "show")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no catalogue at" in done.stderr
    assert "dsek.toml" in done.stderr
