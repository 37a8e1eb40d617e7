"""``cbi models``: what is registered, and who is champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cbi_pipeline.commands import promotion
from cbi_pipeline.commands.aliases import restore_aliases
from cbi_pipeline.commands.console import console
from cbi_pipeline.settings import load_settings

if TYPE_CHECKING:
    from cbi_pipeline.operations.pipeline import Pipeline
    from cbi_pipeline.registry import RegisteredVersion, Registry

_HEADINGS = (
    *("version", "aliases", "recipe", "data as of,\nregistered", "state", "fingerprint"),
    *("note", "decided last"),
)

app = typer.Typer(help="Registered models.", no_args_is_help=True)
app.command()(promotion.promote)
app.command()(promotion.rollback)


@app.command("list")
def list_models() -> None:
    """List every version, with its aliases and what it was made from."""
    from rich.table import Table

    from cbi_pipeline.registry import RegistryEmpty

    restore_aliases(_pipeline())
    versions = _registry().versions()
    if not versions:
        raise RegistryEmpty("no model is registered yet; run `cbi run` first")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in _HEADINGS:
        table.add_column(heading)
    for entry in versions:
        table.add_row(
            str(entry.version),
            ", ".join(entry.aliases),
            entry.recipe,
            f"{entry.as_of:%Y-%m-%d}\n{entry.registered_at:%Y-%m-%d}",
            entry.state[:12],
            entry.fingerprint[:12],
            entry.note,
            entry.decided,
        )
    console.print(table)
    _explain_other_aliases(versions)


def _explain_other_aliases(versions: list[RegisteredVersion]) -> None:
    from cbi_pipeline.registry import CHALLENGER, CHAMPION

    others = {alias for entry in versions for alias in entry.aliases} - {CHAMPION, CHALLENGER}
    for alias in sorted(others):
        console.print(f"{alias}: an alias of your own; the record says nothing of it", style="dim")


@app.command()
def uri(
    version: Annotated[str, typer.Argument(help="Alias or version number.")] = "champion",
) -> None:
    """Print what another program needs to load a model."""
    restore_aliases(_pipeline())
    registry = _registry()
    chosen, folder = registry.get(version), registry.find_folder(version)
    # Plain prints: these lines are for shells and scripts.
    if folder is None:
        print(f"MLFLOW_TRACKING_URI={registry.tracking_uri}")  # noqa: T201
        print(f"models:/{registry.name}{'/' if version.isdigit() else '@'}{version}")  # noqa: T201
    else:
        print(folder)  # noqa: T201
    console.print(f"version {chosen.version}, {chosen.recipe}: {chosen.note}", style="dim")


def _pipeline() -> Pipeline:
    from cbi_pipeline.operations.pipeline import Pipeline

    return Pipeline.from_environment()


def _registry() -> Registry:
    from cbi_pipeline.registry import Registry

    settings = load_settings()
    return Registry(settings.mlflow_uri, settings.mlflow_dir / "artifacts")
