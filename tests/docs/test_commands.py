"""Every command in the docs is one that the command line takes."""

from pathlib import Path

import pytest

from cbi_pipeline.settings import PROJECT_ROOT
from tests.docs.commands import mentions, misfit

PAGES = [
    *sorted((PROJECT_ROOT / "docs").glob("*.md")),
    *(PROJECT_ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_only_commands_and_options_that_there_are(page: Path):
    wrong = {words: why for words in mentions(page) if (why := misfit(words)) is not None}
    assert wrong == {}


def test_the_pages_name_many_commands():
    assert sum(len(mentions(page)) for page in PAGES) > 100


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("feeds pul eia", "no command pul"),
        ("forecast --jsn", "forecast has no --jsn"),
        ("models promote V --because R", "promote has no --because"),
        ("--versoin", "no option --versoin"),
    ],
)
def test_a_misspelt_one_is_found(words, why):
    assert misfit(words) == why
