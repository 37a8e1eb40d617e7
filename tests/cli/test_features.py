"""``cbi data features`` on a home that an earlier version wrote."""

import json

import pytest

from cbi_pipeline.features.feature_sets import CORE_1
from tests.old_home import unpack_home


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    return unpack_home(tmp_path_factory.mktemp("old"))


@pytest.fixture
def ask(cbi_here, old):
    def asked(*arguments: str):
        return cbi_here("data", "features", *arguments, home=old.path, **old.variables)

    return asked


def test_every_column_is_shown_by_name_with_value_age_and_source(ask):
    done = ask("--commodity", "wti", "--as-of", "2020-02-12", "--json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    cells = {cell["column"]: cell for cell in row["columns"]}
    assert row["commodity"] == "wti"
    assert list(cells) == list(CORE_1.features)
    assert cells["return_1"]["source"] == "EIA.RWTC"
    assert cells["return_1"]["age_days"] > 0
    assert cells["stocks_change_1"]["source"] == "EIA.WTTSTUS1"
    assert cells["margin"]["value"] is None


def test_the_row_is_the_newest_decided_by_then(ask):
    before, after = (
        json.loads(ask("--commodity", "wti", "--as-of", day, "--json").stdout)
        for day in ("2018-06-01", "2018-07-01")
    )
    assert before["decision_at"] <= "2018-06-02T03:00:00+00:00" < after["decision_at"]
    assert before["session"] < after["session"]


def test_people_see_absent_columns_as_such(ask):
    said = ask("--commodity", "wti", "--as-of", "2020-02-12").stdout
    (margin,) = [line for line in said.splitlines() if line.startswith("margin")]
    assert "absent" in margin


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--commodity", "copper", "--as-of", "2020-02-12"), "no commodity 'copper'"),
        (
            ("--commodity", "wti", "--as-of", "1900-01-01"),
            "no row of wti was decided",
        ),
    ],
)
def test_what_is_not_there_is_said(ask, arguments, words):
    done = ask(*arguments)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
