"""The commands that the docs name and that change nothing, run on a finished home."""

import re
import shlex
from pathlib import Path

import pytest

from cbi_pipeline.cli import invoke
from tests.docs.commands import mentions
from tests.docs.test_commands import PAGES
from tests.system.homes import copied

pytestmark = pytest.mark.slow

#: Beginnings of commands that only look, or write nothing but a file that they are given.
LOOKS = (
    *("archive verify", "contracts export", "data", "doctor", "feeds check --offline"),
    *("feeds list", "forecast", "ledger verify", "models list", "models uri", "panel export"),
    *("quarantine list", "report", "--help", "--version"),
)
#: What stands in the docs for a value of the reader's own.
FILLED = {
    "DATE": "2020-02-12",
    "S": "EIA.RWTC",
    "C": "wti",
    "TABLE": "latest_forecast",
    "R": "value_is_a_number",
    "FILE": "frame.parquet",
    "FOLDER": "contracts",
}


def looks() -> list[str]:
    """Each such command once, as it stands; options in brackets are given, but for a browser."""
    named = {words.split(" #")[0] for page in PAGES for words in mentions(page)}
    whole = {re.sub(r"[\[\]]", "", words.replace("[--open]", "")).strip() for words in named}
    shorthand = {"data", "data as-of"}  # a group, and a command named without its arguments
    return sorted(words for words in whole - shorthand if words.startswith(LOOKS))


@pytest.fixture(scope="module")
def home(one_night, tmp_path_factory) -> Path:
    return copied(one_night, tmp_path_factory.mktemp("read") / "home")


@pytest.mark.parametrize("words", looks())
def test_a_command_of_the_docs_answers(words, home, tmp_path, monkeypatch, capsys):
    own = {"CBI_HOME": str(home), "CBI_CATALOGUE_FILE": "small.toml", "DAGSTER_HOME": ""}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    tokens = [FILLED.get(token, token) for token in shlex.split(words)]
    assert invoke(tokens) == 0, capsys.readouterr()


def test_they_are_many():
    assert len(looks()) >= 16
