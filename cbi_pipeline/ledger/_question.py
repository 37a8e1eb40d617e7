"""The shapes a question in the transaction log has, so that a damaged one is named when read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, TypeAdapter


@dataclass(frozen=True, slots=True)
class _Files:
    kind: Literal["files"]
    responses: list[str]
    known_until: AwareDatetime
    series: list[dict[str, str]]
    spans: dict[str, tuple[date, date]] = field(default_factory=dict)
    adds: bool = False


@dataclass(frozen=True, slots=True)
class _Pull:
    name: str
    url: str
    series: list[str]
    first: date
    last: date | None
    responses: list[str]


@dataclass(frozen=True, slots=True)
class _Night:
    kind: Literal["night"]
    pulls: list[_Pull]


@dataclass(frozen=True, slots=True)
class _Retry:
    kind: Literal["retry"]
    of: Annotated[int, Field(ge=1)]
    places: list[tuple[str, str]]
    asked: int


@dataclass(frozen=True, slots=True)
class _Clock:
    kind: Literal["clock"]
    dated_after: AwareDatetime


@dataclass(frozen=True, slots=True)
class _Rules:
    kind: Literal["rules"]
    until: Annotated[int, Field(ge=1)]
    judged_as: dict[str, str]
    refused: dict[str, list[dict[str, str | None]]]


_QUESTION: TypeAdapter[_Files | _Night | _Retry | _Clock | _Rules] = TypeAdapter(
    Annotated[_Files | _Night | _Retry | _Clock | _Rules, Field(discriminator="kind")]
)


def check_question(question: Mapping[str, Any]) -> Mapping[str, Any]:
    """A question as it stands.

    Raises:
        ValidationError: an ingestion could not be done again from it.
    """
    _QUESTION.validate_python(question)
    return question
