from cbi_pipeline.forecasting.reference import CONFIGURATIONS, page
from cbi_pipeline.settings import PROJECT_ROOT
from tests.forecasting.test_declarations import configurations


def test_the_page_on_recipes_is_the_one_that_the_declarations_give():
    assert (PROJECT_ROOT / "docs" / "recipes.md").read_text() == page()


def test_every_configuration_is_on_the_page():
    assert sorted(CONFIGURATIONS, key=lambda cls: cls.__name__) == configurations()


def test_every_field_says_what_it_means():
    rows = [line.split(" | ") for line in page().split("## Fields")[1].splitlines()]
    fields = [row for row in rows if row[0].startswith("| `")]
    assert len(fields) > 80
    assert [row for row in fields if row[-1].strip(" |") == ""] == []
