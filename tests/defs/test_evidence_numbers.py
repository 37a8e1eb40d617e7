"""What the page draws from run to run of the walk-forward: numbers of the recipe that is issued."""

import polars as pl

from cbi_pipeline.defs.evaluation.assets import headlines, numbers
from data_contracts.evaluation import SCORE


def scores(*rows: tuple[str, str, str, str, float | None]) -> pl.DataFrame:
    names = ("recipe", "commodity", "horizon", "metric", "value")
    schema = {name: SCORE.dtypes[name] for name in names}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_they_are_of_the_issued_recipe_over_everything_and_finite():
    found = scores(
        ("prior+conformal", "*", "*", "crps", 0.04),
        ("prior+conformal", "wti", "*", "crps", 0.05),
        ("prior+conformal", "*", "1w", "crps", 0.06),
        ("prior", "*", "*", "crps", 0.07),
        ("prior+conformal", "*", "*", "coverage_80", 0.81),
        ("prior+conformal", "*", "*", "hit_rate", None),
        ("prior+conformal", "*", "*", "mae", float("nan")),
        ("prior+conformal", "*", "*", "rmse", 0.1),
    )
    assert numbers(found, "prior+conformal") == {"crps": 0.04, "coverage_80": 0.81}


def test_the_table_of_figures_goes_from_the_shortest_horizon_to_the_longest():
    found = scores(
        *(("prior", "wti", horizon, "crps", 0.04) for horizon in ("12m", "1m", "3m", "*", "1w"))
    )
    table = headlines(found, ("1w", "1m", "3m", "12m"))
    assert table["horizon"].to_list() == ["*", "1w", "1m", "3m", "12m"]
