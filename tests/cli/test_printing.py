"""What users and services wrote is printed as it stands: its brackets and colons mean nothing."""

import re
from pathlib import Path

import pytest
from rich.table import Table

from cbi_pipeline import commands
from cbi_pipeline.commands.console import console, errors
from cbi_pipeline.commands.summary import print_summary
from cbi_pipeline.defs.pipeline import Pipeline
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Warehouse
from tests.report import warehouses

TEXTS = ("[n/a]", "[/x]", "[bold]", ":warning:")


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
