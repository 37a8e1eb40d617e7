"""The newest morning, for commands that show part of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cbi_pipeline.commands.console import Refusal
from cbi_pipeline.feeds import archive
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.report import MorningReport, read_report
from cbi_pipeline.report.morning import Section


def newest_morning(
    commodity: str | None = None, sections: Sequence[Section[Any]] | None = None
) -> MorningReport:
    """The newest morning, of all commodities or one, with all sections of the own or some.

    Raises:
        CatalogueError: no such commodity.
        NothingPublished, Refusal: nothing was issued yet.
    """
    pipeline = Pipeline.from_environment()
    catalogue = pipeline.catalogue
    if commodity is not None:
        catalogue = catalogue.model_copy(update={"commodities": (catalogue.commodity(commodity),)})
    modified: tuple[str, ...] = ()
    if not pipeline.settings.has_services:
        modified = archive.read_record(pipeline.settings.archive_dir).modified
    with pipeline.warehouse.read() as store:
        try:
            return read_report(
                store, catalogue, pipeline.settings, modified=modified, sections=sections
            )
        except ValueError as error:
            raise Refusal(f"{error}; run `cbi run` first") from error


def outlooks(morning: MorningReport) -> dict[str, Any]:
    """The forecasts of a morning as plain data.

    Prices are in each commodity's unit; ``quantiles`` maps level to price. ``status`` is forecast,
    abstains, waits or cannot be forecast, and ``abstention`` why, where it is not the first.
    """
    return {
        "as_of": morning.as_of.isoformat(),
        "issued_at": morning.issued_at.isoformat() if morning.issued_at else None,
        "state": morning.state,
        "model_version": morning.model_version,
        "demonstration": morning.demonstration,
        "commodities": [
            {
                "commodity": own.id,
                "unit": own.unit,
                "origin_session": own.origin.isoformat() if own.origin else None,
                "origin_price": own.price,
                "status": own.status,
                "abstention": own.abstention,
                "note": own.note,
                "horizons": [
                    {
                        "horizon": forecast.horizon,
                        "sessions": forecast.sessions,
                        "target_session": forecast.target.isoformat(),
                        "target_passed": forecast.passed,
                        "up": forecast.up,
                        "quantiles": {
                            f"{level:g}": price for level, price in forecast.quantiles.items()
                        },
                    }
                    for forecast in own.forecasts
                ],
            }
            for own in morning.commodities
        ],
    }
