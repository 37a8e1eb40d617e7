"""What a page shows of a command's output has the headings and the lines that it prints."""

import re
import shlex
from datetime import date, timedelta
from pathlib import Path

import pytest

from cbi_pipeline.cli import invoke
from cbi_pipeline.settings import PROJECT_ROOT
from tests.system.homes import copied

PAGE = PROJECT_ROOT / "docs" / "look-at-the-data.md"
SHOWN = dict(re.findall(r"```text\n\$ cbi ([^\n]*)\n(.*?)```", PAGE.read_text(), re.S))
RETRY = "quarantine retry --rule value_readable"
IMPORT = 'feeds import csv crude.csv --series OWN.CRUDE --unit USD/bbl --source "the desk"'


def write_prices(file: Path) -> None:
    """Forty days of prices, one of them a word."""
    days = (date(2019, 12, 2) + timedelta(days=n) for n in range(40))
    prices = {day: "sixty" if day == date(2020, 1, 7) else f"6{day.day % 10}.5" for day in days}
    file.write_text("period,value\n" + "".join(f"{day},{text}\n" for day, text in prices.items()))


@pytest.fixture
def run(one_night, tmp_path, monkeypatch, capsys):
    """Run a command on a home with a row in quarantine; its output."""
    home = copied(one_night, tmp_path / "home")
    own = {"CBI_HOME": str(home), "CBI_CATALOGUE_FILE": "small.toml", "DAGSTER_HOME": ""}
    for name, value in {**own, "COLUMNS": "160"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    write_prices(Path("crude.csv"))

    def run(words: str) -> str:
        capsys.readouterr()
        assert invoke(shlex.split(words)) == 0
        return capsys.readouterr().out

    run(IMPORT)
    return run


def cells(text: str) -> list[list[str]]:
    """The cells of every line: two spaces part them."""
    return [re.split(r" {2,}", line.strip()) for line in text.splitlines() if line.strip()]


@pytest.mark.slow
@pytest.mark.parametrize("words", ["feeds list", "quarantine list"])
def test_a_table_has_the_headings_and_the_lines_of_the_page(run, words):
    printed, shown = cells(run(words)), cells(SHOWN[words])
    assert printed[0] == shown[0]
    assert [line[0] for line in printed] == [line[0] for line in shown]


@pytest.mark.slow
def test_a_quarantined_row_shows_the_value_that_broke_the_rule(run):
    printed, shown = cells(run("quarantine list")), cells(SHOWN["quarantine list"])
    assert printed[1][:5] == shown[1][:5]
    assert printed[1][-1] == shown[1][-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", ["feeds check --offline", "quarantine retry --rule value_readable"]
)
def test_the_words_are_those_of_the_page(run, words):
    assert run(words) == SHOWN[words]


@pytest.mark.slow
def test_the_doctor_looks_at_what_the_page_lists(run):
    def subjects(text: str) -> list[str]:
        return [line.split()[1] for line in text.splitlines()]

    assert subjects(run("doctor")) == subjects(SHOWN["doctor"])


def test_the_page_shows_each_command_once():
    assert sorted(SHOWN) == [
        *("doctor", "feeds check --offline", "feeds list", "quarantine list", RETRY)
    ]
