"""How much history is walked forward, and which recipes are."""

from __future__ import annotations

from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

MOST_YEARS = 1000
"""Longer than any record, and short enough to be counted back from a date."""

NAIVE = ("climatology", "ewma", "prior")
"""The naive forecasts that skill is stated against in every round."""

GATE_OPPONENTS = ("climatology", "garch_t", "gjr_t", "combined")
"""What a challenger must beat beside the champion, where a round has it."""

DEVELOPMENT = 0.25
"""Share of each commodity's origins that is left to trying recipes, unless the catalogue says."""


class EvaluationPlan(BaseModel):
    """How much history the walk-forward covers.

    Attributes:
        years: length of the evaluated stretch, counted back from each record's end; None is the
            whole record.
        origins: forecasts per commodity, spread over the weeks of that stretch; None is one a week.
        refits: how often models are trained again.
        founder: recipe that is champion before anything was proven, and that forecasts what the
            version in use cannot read.
        baselines: recipes that skill is stated against, the naive ones among them.
        challengers: recipes that face the gate.
        rolling_years: train each challenger that learns on that many newest years as well, beside
            all that is known, to show whether older data help; None leaves that out.
        development: first share of each commodity's origins, which the gate never reads: recipes
            may be tried there at no cost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    years: int | None = Field(default=None, gt=0, le=MOST_YEARS)
    origins: int | None = Field(default=None, gt=0)
    refits: str = Field(default="yearly", pattern="^(quarterly|yearly)$")
    founder: str = "combined"
    baselines: tuple[str, ...] = Field(default=(*NAIVE, "garch_t", "gjr_t"), strict=False)
    challengers: tuple[str, ...] = Field(default=("anchored_gru",), min_length=1, strict=False)
    rolling_years: int | None = Field(default=None, gt=0, le=MOST_YEARS)
    development: float = Field(default=DEVELOPMENT, ge=0.0, lt=1.0)

    @field_validator("baselines", "challengers")
    @classmethod
    def _check_distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"name each once: {', '.join(names)}")
        return names

    @field_validator("baselines")
    @classmethod
    def _naive(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        missing = [name for name in NAIVE if name not in names]
        if missing:
            raise ValueError(f"skill is stated against {', '.join(missing)}; name them too")
        return names

    @model_serializer(mode="wrap")
    def _without_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The fields that hashes are made of; one that came later counts once it is set."""
        fields: dict[str, Any] = dump(self)
        if self.development == DEVELOPMENT:
            del fields["development"]
        return fields

    @model_validator(mode="before")
    @classmethod
    def _refuse_switches(cls, given: Any) -> Any:  # noqa: ANN401
        switches = [name for name in ("garch", "lightgbm") if name in given]
        if switches:
            raise ValueError(
                f"{' and '.join(switches)}: write which recipes are wanted instead, as in "
                'baselines = ["climatology", "ewma", "prior", "garch_t", "gjr_t", "lightgbm"]'
            )
        return given
