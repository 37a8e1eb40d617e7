"""``cbi models promote`` and ``rollback``: a person's decisions on the champion, on the record."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cbi_pipeline.commands.aliases import restore_aliases
from cbi_pipeline.commands.console import Refusal, console

if TYPE_CHECKING:
    import polars as pl

    from cbi_pipeline.operations.pipeline import Pipeline
    from cbi_pipeline.registry import Champion

Reason = Annotated[str, typer.Option("--reason", help="Why, for those who read the record.")]


def promote(
    version: Annotated[int, typer.Argument(help="Version number.")], reason: Reason
) -> None:
    """Make a registered version champion, whatever the gate said; kept with name and reason."""
    from cbi_pipeline.operations.pipeline import Pipeline
    from cbi_pipeline.registry import CHAMPION, Champion, derive

    pipeline = Pipeline.from_environment()
    restore_aliases(pipeline)
    decisions, versions = _record(pipeline)
    recipes = dict(versions.select("version", "recipe").iter_rows())
    if version not in recipes:
        numbers = ", ".join(str(number) for number in recipes)
        raise Refusal(f"no version {version} is registered; there are: {numbers or 'none'}")
    if derive(decisions, versions).get(CHAMPION) == version:
        raise Refusal(f"version {version} is the champion already")
    _decide(pipeline, "promote", Champion(recipes[version], version), reason)


def rollback(reason: Reason) -> None:
    """Undo the last change of champion: back to the version before; kept with name and reason."""
    from cbi_pipeline.operations.pipeline import Pipeline
    from cbi_pipeline.registry import find_previous_champion

    pipeline = Pipeline.from_environment()
    restore_aliases(pipeline)
    decisions, _ = _record(pipeline)
    earlier = find_previous_champion(decisions)
    if earlier is None:
        raise Refusal("there is no earlier champion to go back to; see `cbi models list`")
    _decide(pipeline, "rollback", earlier, reason)


def _record(pipeline: Pipeline) -> tuple[pl.DataFrame, pl.DataFrame]:
    with pipeline.warehouse.read_committed() as store:
        return store.table("registry.decision"), store.table("registry.version")


def _decide(
    pipeline: Pipeline, verdict: Literal["promote", "rollback"], chosen: Champion, reason: str
) -> None:
    from cbi_pipeline.evaluation import decide_by_person
    from cbi_pipeline.registry import CHAMPION, date_decision, derive

    decisions, versions = _record(pipeline)
    # What is promoted or gone back to is a version, not a recipe that still waits for its first.
    assert chosen.version is not None
    _require_usable(pipeline, chosen.version)
    if pipeline.registry.restore_run(chosen.version):
        console.print(f"the run of version {chosen.version}, deleted in MLflow, is restored")
    current = derive(decisions, versions)[CHAMPION]
    champion = dict(versions.select("version", "recipe").iter_rows())[current]
    try:
        made = decide_by_person(
            verdict,
            chosen.recipe,
            champion,
            version=chosen.version,
            reason=reason,
            who=_read_user(),
            decided_at=date_decision(decisions, pipeline.now()),
        )
    except ValueError as error:
        raise Refusal(str(error)) from error
    row = made.frame(pipeline.newest_as_of())
    pipeline.add({"registry.decision": row})
    pipeline.registry.record(row.row(0, named=True))
    decisions, versions = _record(pipeline)
    pipeline.registry.reconcile(decisions, versions)
    console.print(
        f"version {chosen.version}, {chosen.recipe}, is champion now (before: version {current}, "
        f"{champion}); recorded as decided by {made.who}. The next run forecasts with it.",
        soft_wrap=True,
    )


def _require_usable(pipeline: Pipeline, number: int) -> None:
    """Refuse a version of too few levels, or one that cannot read today's rows of a commodity."""
    from cbi_pipeline.evaluation import NEEDED_LEVELS, is_apart
    from cbi_pipeline.operations.champion_forecast import find_unreadable
    from cbi_pipeline.operations.training_data import load_training_data

    if is_apart((model := pipeline.registry.load(number)).recipe.levels):
        raise Refusal(
            f"version {number} stands apart: of the {len(NEEDED_LEVELS)} levels that a champion "
            "states it lacks some, so it can be compared and not be champion"
        )
    data = load_training_data(pipeline, pipeline.newest_as_of())
    names = [commodity.id for commodity in data.catalogue.commodities]
    version, spec = pipeline.registry.get(number), model.spec
    unreadable = find_unreadable(version, spec, data, names, pipeline)
    if unreadable:
        raise Refusal(
            f"version {number} cannot read today's rows of {', '.join(unreadable)}: it was made "
            "for other commodities, horizons or features; change the catalogue back first"
        )


def _read_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise Refusal("the record needs your name; set LOGNAME to it") from error
