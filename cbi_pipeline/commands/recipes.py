"""``cbi recipes``: the recipes of models there are, what they cost, and trying one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from cbi_pipeline.commands.console import console, errors
from cbi_pipeline.settings import load_settings

if TYPE_CHECKING:
    from cbi_pipeline.catalogue import EvaluationPlan, RecipeFile
    from cbi_pipeline.operations.pipeline import Pipeline
    from cbi_pipeline.operations.try_recipe import DevelopmentScore

app = typer.Typer(help="Recipes of models: which there are, and trying one.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Of a recipe, see `cbi recipes list`.")]


@app.command("list")
def list_recipes() -> None:
    """List every recipe: what it is a model of, what it is here, and when to use it."""
    from cbi_pipeline.catalogue import CatalogueError, find_recipes, load_catalogue, read_recipe

    settings = load_settings()
    asked = load_catalogue(*settings.catalogue_files, profile=settings.profile).evaluation
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("recipe", "kind", "here", "what it is"):
        table.add_column(heading, no_wrap=heading != "what it is")
    for name in sorted(find_recipes(*settings.recipe_folders)):
        try:
            file = read_recipe(name, *settings.recipe_folders)
        except CatalogueError as error:
            table.add_row(name, "", _name_role(name, asked), f"cannot be read: {error}")
            continue
        table.add_row(name, file.kind, _name_role(name, asked), file.summary)
    console.print(table)


@app.command()
def show(name: Name) -> None:
    """Show each value of a recipe with the file it stands in, and how large its network is."""
    from cbi_pipeline.operations.pipeline import Pipeline
    from cbi_pipeline.operations.recipes import load_recipe
    from cbi_pipeline.operations.try_recipe import count_parameters

    pipeline = Pipeline.from_environment()
    recipe = load_recipe(name, pipeline)
    _print_file(name, pipeline)
    console.print(f"recipe id   {recipe.identity()[:12]}")
    parameters = count_parameters(recipe, pipeline)
    if parameters is not None:
        console.print(f"parameters  {parameters:,} on the catalogue as it is")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A recipe's file.", exists=True, dir_okay=False)],
) -> None:
    """Say whether a file is a recipe, and where it has to lie to be used."""
    from cbi_pipeline.catalogue import read_recipe_file
    from cbi_pipeline.operations.pipeline import Pipeline
    from cbi_pipeline.operations.recipes import build_recipe

    pipeline = Pipeline.from_environment()
    folders = pipeline.settings.recipe_folders
    recipe = build_recipe(read_recipe_file(file.absolute(), *folders), pipeline)
    console.print(f"{recipe.name} is a recipe: {recipe.identity()[:12]}")
    if file.absolute().parent not in folders:
        console.print(f"copy it into {folders[0]} to use it", soft_wrap=True)


@app.command()
def cost(name: Name) -> None:
    """Fit a sample of its folds, which are kept, and say what a round with it would take."""
    from cbi_pipeline.operations.progress import describe_duration
    from cbi_pipeline.operations.try_recipe import measure_cost

    _require_name(name)
    cost_here = measure_cost(name, _pipeline())
    left = (
        describe_duration(cost_here.seconds) if cost_here.seconds else "nothing, all of it is kept"
    )
    console.print(f"refits      {cost_here.refits} in a round, on {cost_here.device}")
    console.print(f"to go       {left}")
    if cost_here.parameters is not None:
        console.print(f"parameters  {cost_here.parameters:,}")


@app.command("try")
def try_out(name: Name) -> None:
    """Score a recipe on the origins that the gate never reads; it costs nothing there."""
    from cbi_pipeline.commands.bars import draw_bars, show_work
    from cbi_pipeline.operations.try_recipe import try_recipe

    _require_name(name)
    with draw_bars(errors) as bars, show_work(bars, errors):
        tried = try_recipe(name, _pipeline())
    _print_scores(name, tried)


def _name_role(name: str, asked: EvaluationPlan) -> str:
    roles = {
        "founder": name == asked.founder,
        "challenger": name in asked.challengers,
        "baseline": name in asked.baselines,
    }
    return ", ".join(role for role, is_it in roles.items() if is_it)


def _pipeline() -> Pipeline:
    from cbi_pipeline.operations.pipeline import Pipeline

    return Pipeline.from_environment()


def _require_name(name: str) -> None:
    """Refuse a name before anything heavy is loaded."""
    from cbi_pipeline.catalogue import read_recipe

    read_recipe(name, *load_settings().recipe_folders)


def _print_file(name: str, pipeline: Pipeline) -> None:
    from cbi_pipeline.catalogue import read_recipe

    file = read_recipe(name, *pipeline.settings.recipe_folders)
    console.print(name, style="bold")
    for words in filter(None, (file.summary, file.remark)):
        console.print(words)
    rows = [(".".join(path), json.dumps(_value(file, path)), str(at)) for path, at in _lines(file)]
    wide = [max((len(row[n]) for row in rows), default=0) for n in (0, 1)]
    for path, value, at in rows:
        console.print(f"  {path:<{wide[0]}}  {value:<{wide[1]}}  {at}", soft_wrap=True)


def _lines(file: RecipeFile) -> list[tuple[tuple[str, ...], Path]]:
    return [(path, at) for path, at in file.origins.items() if path[0] not in ("summary", "remark")]


def _value(file: RecipeFile, path: tuple[str, ...]) -> object:
    head = {"kind": file.kind, "groups": file.groups}
    value: object = file.fields | {name: own for name, own in head.items() if own is not None}
    for part in path:
        assert isinstance(value, dict)
        value = value[part]
    return value


def _print_scores(name: str, tried: DevelopmentScore) -> None:
    figures = {
        (row["commodity"], row["horizon"], row["metric"].removeprefix("skill_vs_")): row
        for row in tried.scores.iter_rows(named=True)
        if row["metric"].startswith("skill_vs_")
    }
    opponents = [name for name in tried.opponents if any(key[2] == name for key in figures)]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("", *opponents):
        table.add_column(heading)
    for cell in dict.fromkeys(key[:2] for key in figures):
        words = " ".join("all" if part == "*" else part for part in cell)
        rows = (figures.get((*cell, opponent)) for opponent in opponents)
        table.add_row(words, *map(_describe_skill, rows))
    console.print(f"CRPS skill of {name}, in per cent [90 % interval]", style="bold")
    console.print(table)
    for row in tried.origins.iter_rows(named=True):
        console.print(
            f"{row['commodity']}: {row['count']} origins to {row['last']}, which the gate never "
            "reads; nothing was recorded",
            soft_wrap=True,
        )


def _describe_skill(row: dict[str, Any] | None) -> str:
    from cbi_pipeline.report.formats import share_interval

    return "" if row is None else share_interval(row["value"], row["low"], row["high"])
