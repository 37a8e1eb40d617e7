"""What users and services wrote is printed as it stands: its brackets and colons mean nothing."""

import io
import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from cbi_pipeline import commands
from cbi_pipeline.commands.console import PlainConsole, console, errors, explain
from cbi_pipeline.commands.summary import print_summary
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.printable import ascii_json, make_printable
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Warehouse
from tests.report import warehouses

TEXTS = ("[n/a]", "[/x]", "[bold]", ":warning:")
#: What a feed, a file name or an error may bring to steer a terminal, and how it is shown.
STEERING = {
    "red\x1b[31m": r"red\x1b[31m",
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "\x1b]8;;http://x\x1b\\link": r"\x1b]8;;http://x\x1b\link",
    "\x9b2J": r"\x9b2J",
    "52.86\r99.99": r"52.86\r99.99",
    "a\b\x7f": r"a\x08\x7f",
    "pay \u202e68.25\u202c": r"pay \u202e68.25\u202c",
    "\u2066\u200f": r"\u2066\u200f",
    "\u2028": r"\u2028",
    "file\udc80": r"file\udc80",
}


@pytest.fixture(scope="module")
def quarantined(tmp_path_factory):
    """A home with one row in quarantine for each of the texts."""
    home = tmp_path_factory.mktemp("quarantined") / "home"
    row = warehouses.QUARANTINED[0]
    rows = [{**row, "locator": str(n), "value": text} for n, text in enumerate(TEXTS)]
    with Warehouse(home / "warehouse").write() as store:
        store.replace("quarantine.row", warehouses.frame("quarantine.row", rows))
    Warehouse(home / "warehouse").publish()
    return home


@pytest.mark.parametrize("text", TEXTS)
def test_a_line_shows_the_text_as_it_stands(capsys, text):
    console.print(f"a {text} b")
    errors.print(f"a {text} b")
    assert capsys.readouterr() == (f"a {text} b\n", f"a {text} b\n")


@pytest.mark.parametrize("text", TEXTS)
def test_a_cell_of_a_table_shows_the_text_as_it_stands(capsys, text):
    table = Table("value", box=None)
    table.add_row(text)
    console.print(table)
    assert text in capsys.readouterr().out


@pytest.mark.parametrize(("text", "shown"), STEERING.items())
def test_what_steers_a_terminal_is_shown_and_not_obeyed(capsys, text, shown):
    table = Table("value", box=None)
    table.add_row(text)
    for thing in (text, table):
        console.print(thing)
        assert shown in capsys.readouterr().out
    explain(text, code=2)
    errors.print(text)
    assert capsys.readouterr().err.count(shown) == (1 if "\r" in text or "\u2028" in text else 2)


@given(st.text())
def test_no_text_brings_a_control_character_to_the_terminal(text):
    file = io.StringIO()
    PlainConsole(file=file, force_terminal=False, width=200).print(text, Text(text))
    unseen = {c for c in file.getvalue() if unicodedata.category(c) in {"Cc", "Cs"}}
    assert unseen <= {"\n"}


@given(st.text(st.characters(categories=["L", "N", "P", "S", "M"]), max_size=40))
def test_letters_figures_and_signs_of_any_script_stand_as_they_are(text):
    assert make_printable(text) == text


@given(st.dictionaries(st.text(), st.text()))
def test_json_for_programs_is_ascii_and_means_the_same(document):
    text = ascii_json(json.dumps(document, ensure_ascii=False))
    assert text.isascii()
    assert "\x7f" not in text
    assert json.loads(text) == document


def test_parsed_rows_are_printed_as_ascii_json(cbi_here, tmp_path):
    file = tmp_path / "own.csv"
    file.write_text("period,value\n2020-01-06,\u202e\x9b31m\n", encoding="utf-8")
    done = cbi_here("feeds", "parse", "own", str(file), home=tmp_path / "home")
    assert (done.stdout + done.stderr).isascii()


def test_no_command_makes_a_console_of_its_own():
    (folder,) = commands.__path__
    made = {p.name for p in Path(folder).glob("*.py") if re.search(r"\bConsole\(", p.read_text())}
    assert made == set()


@pytest.mark.parametrize("text", TEXTS)
def test_quarantine_list_shows_the_value_that_broke_a_rule(cbi_here, quarantined, text):
    done = cbi_here("quarantine", "list", home=quarantined)
    assert done.returncode == 0
    assert text in done.stdout


@pytest.mark.parametrize("command", ["list", "retry"])
@pytest.mark.parametrize("rule", ["[n/a]", "[/x]"])
def test_a_rule_without_rows_is_named_as_it_was_given(cbi_here, quarantined, command, rule):
    done = cbi_here("quarantine", command, "--rule", rule, home=quarantined)
    assert done.returncode == 0
    assert f"the rule {rule}" in done.stdout


def test_the_summary_of_a_run_shows_a_persons_reason_as_it_was_written(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(warehouses.BY_HAND, "reason", "see [/desk/notes], [n/a]")
    warehouses.publish(tmp_path)
    print_summary(Pipeline(Settings(_env_file=None, home=tmp_path)))
    assert "see [/desk/notes], [n/a] (ada)" in capsys.readouterr().out
