"""The parts of the page, one a file: what it reads, its figures, and its block of the page.

A new part is a new file with a :class:`~cbi_pipeline.report.morning.Section` named ``SECTION``,
and its name where it stands on the page in ``NAMES``.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from cbi_pipeline.report.morning import Section

NAMES = (
    "outlook",
    "markets",
    "track_record",
    "skill",
    "model",
    "data",
    "method",
)


@cache
def find_sections() -> tuple[Section[Any], ...]:
    """Every section, in the order of the page.

    Raises:
        ValueError: a file and its section differ in name.
    """
    sections = tuple(import_module(f"{__name__}.{name}").SECTION for name in NAMES)
    for name, section in zip(NAMES, sections, strict=True):
        if section.name != name:
            raise ValueError(f"report/sections/{name}.py holds the section {section.name!r}")
    return sections
