"""The morning report as plain data: what its heading says, and what each section read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from cbi_pipeline.report.forecasts import CommoditySection
from cbi_pipeline.report.skill import Evidence

if TYPE_CHECKING:
    from cbi_pipeline.report.source import ReportSource

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """The registered version in use, and what it was made from."""

    version: str
    recipe: str
    recipe_id: str
    fingerprint: str
    state: str
    trained_to: datetime
    note: str


@dataclass(frozen=True, kw_only=True)
class Section(Generic[Part]):
    """One part of the page, declared in a file of its own.

    Attributes:
        name: name of its file, by which its part of a report is kept.
        title: words of its link at the top of the page; empty for none.
        anchor: id of the element that the link leads to.
        read: what it shows, as plain data; the store is closed when it is rendered.
        template: its block of the page, in Jinja. It sees ``report``, the whole
            :class:`MorningReport`, ``part``, what ``read`` gave, ``f``, the formats, ``figure``,
            which writes a panel, and its own ``helpers``.
        helpers: functions that the block calls, by name.
    """

    name: str
    read: Callable[[ReportSource], Part]
    template: str
    title: str = ""
    anchor: str = ""
    helpers: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MorningReport:
    """One morning's report.

    Attributes:
        as_of: instant it rests on.
        issued_at: when its forecasts were issued last, on the wall clock; None when every
            commodity abstained.
        demonstration: True for closed historical records; sets the banner.
        modified: archive files whose content differs from what was shipped.
        state: state of the data behind the forecasts; empty where there are none.
        model_version: version in use; None when every commodity abstained.
        model: the registered version behind it, when it is in the registry's table.
        commodities: one section each, in catalogue order.
        parts: what each section of the page read, by its name.
    """

    as_of: datetime
    demonstration: bool
    commodities: tuple[CommoditySection, ...]
    model_version: str | None
    model: ModelCard | None = None
    issued_at: datetime | None = None
    modified: tuple[str, ...] = ()
    state: str = ""
    parts: Mapping[str, object] = field(default_factory=dict)

    @property
    def shows_skill(self) -> bool:
        """True where the page's evidence shows that the model in use beats every naive forecast."""
        evidence = self.parts.get("skill")
        return isinstance(evidence, Evidence) and evidence.shows_skill

    def part(self, section: Section[Part]) -> Part:
        """What a section read.

        Raises:
            KeyError: the report was read without it.
        """
        return cast("Part", self.parts[section.name])


def read_nothing(source: ReportSource) -> None:
    """For sections that show the commodities and nothing else."""
