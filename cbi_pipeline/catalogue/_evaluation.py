"""How much history is walked forward, and which recipes are."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

MOST_YEARS = 1000
"""Longer than any record, and short enough to be counted back from a date."""


class EvaluationPlan(BaseModel):
    """How much history the walk-forward covers.

    Attributes:
        years: length of the evaluated stretch, counted back from each record's end; more than a
            record holds is all of it.
        origins: forecasts per commodity, one a week at most.
        refits: how often models are trained again.
        challengers: recipes that face the gate, each the name of a file in ``recipes``.
        garch: whether GARCH(1,1)-t and GJR-t are forecast beside the naive forecasts.
        lightgbm: whether boosted quantiles are forecast too; needs the extra ``boost``.
        rolling_years: train the challenger on that many newest years as well, beside all that is
            known, to show whether older data help; None leaves that out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    years: int = Field(gt=0, le=MOST_YEARS)
    origins: int = Field(gt=0)
    refits: str = Field(pattern="^(quarterly|yearly)$")
    challengers: tuple[str, ...] = Field(default=("anchored_gru",), min_length=1, strict=False)
    garch: bool = True
    lightgbm: bool = False
    rolling_years: int | None = Field(default=None, gt=0, le=MOST_YEARS)

    @field_validator("challengers")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"name each once: {', '.join(names)}")
        return names
