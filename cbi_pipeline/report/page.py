"""The morning report as one HTML document, and as a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from cbi_pipeline.durable import write_durably
from cbi_pipeline.printable import make_printable
from cbi_pipeline.report import formats
from cbi_pipeline.report.morning import MorningReport, Section
from cbi_pipeline.report.sections import find_sections

_FIGURE = """\
{% macro figure(panel, level="h4") %}
<figure>
<figcaption><{{ level }}>{{ panel.title }}</{{ level }}><p>{{ panel.caption }}</p></figcaption>
{{ panel.svg }}
</figure>
{% endmacro %}
"""


def render_report(report: MorningReport) -> str:
    """The whole report as one self-contained HTML document.

    Styles and charts stand inside it; opening it loads nothing from anywhere.
    """
    sections = find_sections()
    blocks = [
        (section, _render_block(section, report))
        for section in sections
        if section.name in report.parts
    ]
    page = _environment().get_template("morning")
    return page.render(report=report, sections=blocks, style=Markup(_read_text("morning.css")))


def _render_block(section: Section[Any], report: MorningReport) -> Markup:
    template = _environment().get_template(f"sections/{section.name}")
    part = report.part(section)
    return Markup(template.render(report=report, part=part, **section.helpers))


def write_pages(report: MorningReport, folder: Path, *, newest: bool = True) -> Path:
    """Render into ``morning-<day>.html`` and ``latest.html``, each whole or not at all.

    Args:
        report: what to show.
        folder: where the pages lie.
        newest: False for a day after which another was reported: the latest page stays.

    Returns:
        The dated file.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    page = render_report(report).encode("utf-8")
    own = name_page(folder, report.as_of)
    for path in (own, folder / "latest.html") if newest else (own,):
        write_durably(path, page)
    return own


def name_page(folder: Path, as_of: datetime) -> Path:
    """The page of the desk's day that an instant falls into."""
    return folder / f"morning-{formats.desk_day(as_of):%Y-%m-%d}.html"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=DictLoader(_templates(find_sections())),
        autoescape=True,
        finalize=_make_printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["f"] = formats
    environment.globals["figure"] = environment.from_string(_FIGURE).module.figure  # type: ignore[attr-defined]
    return environment


def _templates(sections: Sequence[Section[Any]]) -> dict[str, str]:
    blocks = {f"sections/{section.name}": section.template for section in sections}
    return {"morning": _read_text("morning.html.j2"), **blocks}


def _make_printable(value: object) -> object:
    # Marks of direction would let a name read as another, in a page as in a terminal.
    return make_printable(value) if type(value) is str else value


def _read_text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
