"""``cbi forecast``: the newest issued forecasts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cbi_pipeline.commands.console import Refusal, console

if TYPE_CHECKING:
    from cbi_pipeline.report import MorningReport


def forecast(
    commodity: Annotated[
        str | None, typer.Option(help="Only this commodity of the catalogue.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Show the newest forecast per commodity and horizon."""
    from cbi_pipeline.commands.morning import newest_morning, outlooks
    from cbi_pipeline.commands.summary import print_forecast

    morning = newest_morning(commodity, sections=())
    if commodity is not None:
        _require_answer(morning)
    if as_json:
        print(json.dumps(outlooks(morning), indent=2))  # noqa: T201
        return
    issued = f", issued {morning.issued_at:%Y-%m-%d %H:%M} UTC" if morning.issued_at else ""
    console.print(f"as of {morning.as_of:%Y-%m-%d %H:%M} UTC{issued}, state {morning.state[:12]}\n")
    print_forecast(morning)


def _require_answer(morning: MorningReport) -> None:
    """Refuse to show nothing at all of a commodity that the newest night did not look at."""
    (section,) = morning.commodities
    if not section.forecasts and not section.abstention:
        raise Refusal(
            f"{section.id} was not in the catalogue when the newest forecasts were made, as of "
            f"{morning.as_of:%Y-%m-%d %H:%M} UTC; run `cbi run`"
        )
