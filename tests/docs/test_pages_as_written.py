"""Every command that a page names is run as it is written, in the page's order, on a small home."""

import re
import shlex
from pathlib import Path

import pytest

from cbi_pipeline.cli import invoke
from cbi_pipeline.settings import PROJECT_ROOT
from tests.docs.commands import mentions
from tests.docs.test_commands import PAGES
from tests.own_files import make_csv, make_prices
from tests.system.homes import copied

#: What stands in the docs for a value of the reader's own.
FILLED = {
    "DATE": "2020-02-12",
    "S": "EIA.RWTC",
    "C": "wti",
    "FEED": "eia",
    "TABLE": "latest_forecast",
    "R": "value_is_a_number",
    "WHY": "wider tails",
    "V": "2",
    "FILE": "frame.parquet",
    "FOLDER": "contracts",
}
#: Groups, and commands that are named without what they need.
SHORTHAND = {
    *("data as-of", "feeds", "feeds parse", "models", "models promote V", "recipes"),
    *("models promote", "commodity add"),
    *("quarantine retry", "quarantine retry --rule", "--catalogue FILE"),
}
#: What cannot be run here, by its beginning: why, and the tests that run it.
ELSEWHERE = {
    "ui": ("serves until it is stopped", "tests/system/test_serving.py"),
    "rebuild": ("is for a home that has lost something", "tests/cli/test_recovery_page.py"),
    "feeds pull": ("asks a service, there on loopback", "tests/system/test_new_source.py"),
    "feeds parse <name>": ("reads an answer of a new feed", "tests/cli/test_printing.py"),
    "commodity add FILE": ("reads prices of the reader's own", "tests/cli/test_commodity.py"),
    "feeds parse eia_history": ("reads a file that was saved", "tests/cli/test_feeds.py"),
    "feeds import tide": ("opens files of a new source", "tests/cli/test_file_source.py"),
}
#: Pages whose blocks are run together, and the tests that do.
TOGETHER = {"tutorial": "tests/docs/test_tutorial.py"}
#: What a command takes to have happened.
BEFORE = {"models rollback": "models promote 2 --reason again"}
FILES = {
    "crude.csv": "period,value\n2020-01-06,63.3\n2020-01-07,62.7\n",
    "gas.csv": make_csv(make_prices("eia_spot_daily")),
}


def commands(page: Path) -> list[str]:
    """Each command once, in order; options in brackets are given, but for a browser."""
    named = (words.split(" #")[0].replace("[--open]", "") for words in mentions(page))
    whole = (re.sub(r"[\[\]]", "", words).strip() for words in named)
    return [words for words in dict.fromkeys(whole) if words and words not in SHORTHAND]


def recipes(page: Path) -> dict[str, str]:
    """The recipes that a page writes into the home, by the file's name."""
    blocks = r"```toml\n# \$CBI_HOME/catalogue/recipes/(\w+\.toml)\n(.*?)```"
    return dict(re.findall(blocks, page.read_text(), re.S))


def is_run_here(words: str) -> bool:
    return not words.startswith(tuple(ELSEWHERE))


def run(words: str) -> int:
    return invoke([FILLED.get(token, token) for token in shlex.split(words)])


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.stem not in TOGETHER and any(map(is_run_here, commands(page)))],
    ids=lambda p: p.stem,
)
def test_the_commands_of_a_page_run_as_they_are_written(
    page, one_night, tmp_path, monkeypatch, capsys
):
    home = copied(one_night, tmp_path / "home")
    own = {"CBI_HOME": str(home), "CBI_CATALOGUE_FILE": "small.toml", "DAGSTER_HOME": ""}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    for name, text in (FILES | recipes(page)).items():
        Path(name).write_text(text)
        if name.endswith(".toml"):
            (home / "catalogue" / "recipes").mkdir(parents=True, exist_ok=True)
            (home / "catalogue" / "recipes" / name).write_text(text)
    for words in filter(is_run_here, commands(page)):
        first = next(
            (earlier for start, earlier in BEFORE.items() if words.startswith(start)), None
        )
        assert first is None or run(first) in {0, 2}, capsys.readouterr()
        assert run(words) == 0, (words, capsys.readouterr())


@pytest.mark.parametrize("beginning", sorted(ELSEWHERE))
def test_what_is_run_elsewhere_is_named_by_a_page_and_has_its_tests(beginning):
    assert any(words.startswith(beginning) for page in PAGES for words in commands(page))
    _, file = ELSEWHERE[beginning]
    assert (PROJECT_ROOT / file).is_file()


@pytest.mark.parametrize("page", sorted(TOGETHER))
def test_a_page_that_is_run_as_a_whole_has_its_tests(page):
    assert (PROJECT_ROOT / TOGETHER[page]).is_file()


def test_shorthand_is_named_by_a_page():
    assert {words for page in PAGES for words in mentions(page)} >= SHORTHAND


def test_most_commands_are_run_here():
    named = {words for page in PAGES for words in commands(page)}
    assert len(list(filter(is_run_here, named))) >= 30
