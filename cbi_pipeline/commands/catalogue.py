"""``cbi catalogue``: what is followed, and the file that says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cbi_pipeline.commands.console import Refusal, console
from cbi_pipeline.settings import load_settings

if TYPE_CHECKING:
    from cbi_pipeline.catalogue import Layers

#: Longer values push their file to the right of the others.
_WIDEST = 60

app = typer.Typer(help="The catalogue: what is followed.", no_args_is_help=True)


@app.callback()
def catalogue() -> None:
    """Keep ``show`` a command of its own, though it is the only one."""


@app.command()
def show(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="A commodity, group, feed, file or evaluation alone."),
    ] = None,
) -> None:
    """Show each value of the catalogue with the file that it came from."""
    from cbi_pipeline.catalogue import load_catalogue, read_layers, suggest_names
    from cbi_pipeline.operations import check_catalogue

    settings = load_settings()
    layers = read_layers(*settings.catalogue_files)
    entries = _entries(layers, settings.profile)
    if name is not None and name not in entries:
        names = ", ".join(entries)
        raise Refusal(
            f"no {name!r} in the catalogue{suggest_names(name, entries)}; there are: {names}"
        )
    for entry in entries if name is None else [name]:
        for path in entries[entry]:
            _print_entry(layers, path)
    # What is wrong with it is said after what it says.
    check_catalogue(load_catalogue(*settings.catalogue_files, profile=settings.profile), settings)


def _entries(layers: Layers, profile: str) -> dict[str, list[tuple[str, ...]]]:
    """The paths of every entry by its name; a feed may be named as a group is."""
    paths: dict[str, list[tuple[str, ...]]] = {}
    for within in (("profile", profile, "commodity"), ("group",), ("feed",), ("file",)):
        for name in layers.table(*within):
            paths.setdefault(name, []).append((*within, name))
    paths["evaluation"] = [("evaluation",)]
    return paths


def _print_entry(layers: Layers, path: tuple[str, ...]) -> None:
    heading = ".".join(path[2:] if path[0] == "profile" else path)
    console.print(heading, style="bold")
    rows = [
        (".".join(at[len(path) :]), _as_toml(value), str(origin.file))
        for at, value, origin in layers.values(*path)
    ]
    names, values = (max((len(row[n]) for row in rows), default=0) for n in (0, 1))
    for name, value, file in rows:
        line = f"  {name:<{names}}  {value:<{min(values, _WIDEST)}}  {file}"
        console.print(line, soft_wrap=True)


def _as_toml(value: Any) -> str:  # noqa: ANN401  (whatever TOML can hold)
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(k)} = {_as_toml(v)}' for k, v in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_as_toml, value))}]"
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
