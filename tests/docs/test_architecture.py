"""The drawn floors and the tables of the pages are those of the code."""

import re
import tomllib

import pytest

from cbi_pipeline.settings import PROJECT_ROOT
from data_contracts import CONTRACTS

DOCS = PROJECT_ROOT / "docs"
PAGE = (DOCS / "architecture.md").read_text()
SCHEMAS = "|".join(sorted({table.split(".")[0] for table in CONTRACTS}))


def test_the_floors_are_drawn_in_the_order_that_imports_keep():
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())
    (floors,) = (
        one for one in project["tool"]["importlinter"]["contracts"] if one["id"] == "floors"
    )
    (drawing,) = re.findall(r"```text\n(.*?)```", PAGE, re.S)
    assert re.findall(r"^(\w+)", drawing, re.M) == floors["layers"]


@pytest.mark.parametrize("name", ["architecture.md", "glossary.md", "runbook.md"])
def test_every_table_that_is_named_has_a_contract(name):
    tables = re.findall(rf"`((?:{SCHEMAS})\.[a-z_]+)`", (DOCS / name).read_text())
    assert set(tables) <= set(CONTRACTS)
    assert tables or name == "runbook.md"


@pytest.mark.parametrize("name", ["architecture.md", "glossary.md", "runbook.md", "alerts.md"])
def test_every_file_that_is_named_is_there(name):
    text = (DOCS / name).read_text()
    linked = {DOCS / path for path in re.findall(r"\]\(([^)#:]+)\)", text)}
    named = re.findall(r"`((?:cbi_pipeline|data_contracts|docs|tests)/[\w./]+)`", text)
    places = linked | {PROJECT_ROOT / path for path in named}
    assert [path for path in sorted(places) if not path.exists()] == []


def test_a_word_of_the_glossary_has_one_entry():
    words = re.findall(r"^\| ([^|]+?) \|", (DOCS / "glossary.md").read_text(), re.M)
    entries = [word for word in words if word not in {"word", "---"}]
    assert len(entries) > 60
    assert sorted({word for word in entries if entries.count(word) > 1}) == []
