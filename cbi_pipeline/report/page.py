"""The morning report as one HTML document, and as a file."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined, Template
from markupsafe import Markup

from cbi_pipeline.ledger import write_durably
from cbi_pipeline.printable import printable
from cbi_pipeline.report import formats, panels, skill, words
from cbi_pipeline.report.morning import Morning


def render(morning: Morning) -> str:
    """The whole report as one self-contained HTML document.

    Styles and charts stand inside it; opening it loads nothing from anywhere.
    """
    return _template().render(morning=morning, style=Markup(_resource("morning.css")))


def write(morning: Morning, folder: Path, *, newest: bool = True) -> Path:
    """Render into ``morning-<day>.html`` and ``latest.html``, each whole or not at all.

    Args:
        morning: what to show.
        folder: where the pages lie.
        newest: False for a day after which another has spoken: the latest page stays.

    Returns:
        The dated file.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    page = render(morning).encode("utf-8")
    own = dated(folder, morning.as_of)
    for path in (own, folder / "latest.html") if newest else (own,):
        write_durably(path, page)
    return own


def dated(folder: Path, as_of: datetime) -> Path:
    """The page of the desk's day that an instant falls into."""
    return folder / f"morning-{formats.desk_day(as_of):%Y-%m-%d}.html"


@cache
def _template() -> Template:
    environment = Environment(
        loader=DictLoader({"morning": _resource("morning.html.j2")}),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(f=formats, panels=panels, skill=skill, words=words)
    return environment.get_template("morning")


def _shown(value: object) -> object:
    # Marks of direction would let a name read as another, in a page as in a terminal.
    return printable(value) if type(value) is str else value


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
