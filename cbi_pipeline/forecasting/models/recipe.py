"""What every recipe says, whatever kind of model it is one of."""

from dataclasses import dataclass, field
from importlib import import_module
from typing import Annotated, ClassVar, TypeAlias

from cbi_pipeline.forecasting import config
from cbi_pipeline.forecasting.declarations import FileName, InsideUnit, Items, Label

Levels: TypeAlias = Annotated[
    tuple[InsideUnit, ...], Items(at_least=1, order="strictly increasing")
]
FORMER_LEVELS = (0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95)
"""The default of earlier versions."""

DEFAULT_LEVELS = (0.01, 0.025, *FORMER_LEVELS, 0.975, 0.99)

NO_FEATURES = "none"
"""Feature set of what reads prices, returns and variances alone."""


@dataclass(frozen=True, kw_only=True)
class ModelRecipe(config.Config):
    """Everything that decides a model, apart from the data.

    Attributes:
        name: for people, tables and folders; part of the identity.
        feature_set: version of the feature code it was made for.
        levels: quantile levels, strictly increasing in (0, 1).
    """

    name: FileName
    feature_set: Label
    levels: Levels = field(default=DEFAULT_LEVELS, metadata=config.formerly(FORMER_LEVELS))

    def identity(self) -> str:
        """The sha256 of kind, name, feature set and whatever differs from the defaults."""
        return config.identity(self)

    def to_json(self) -> config.Json:
        """A plain tree, which `config.decode` reads."""
        return config.encode(self)


#: Modules of this package, each with the recipe of one kind that reads no features.
MODULES = ("climatology", "ewma", "prior", "garch", "har", "combined")


@dataclass(frozen=True, kw_only=True)
class StatisticalRecipe(ModelRecipe):
    """A recipe of what reads no features.

    Attributes:
        name: as for every recipe.
        feature_set: `NO_FEATURES`.
        levels: as for every recipe.
        kinds: by the kind's name, its recipe.
    """

    feature_set: Label = NO_FEATURES
    kinds: ClassVar[dict[str, "type[StatisticalRecipe]"]] = {}

    def __init_subclass__(cls, *, kind: str = "") -> None:
        super().__init_subclass__(kind=kind)
        StatisticalRecipe.kinds[kind] = cls

    @classmethod
    def members(cls) -> tuple[type[config.Config], ...]:
        """Every kind of these recipes, in the order of `MODULES`; others come last."""
        if cls is not StatisticalRecipe:
            return ()
        order = [import_module(f"{__package__}.{name}").__name__ for name in MODULES]
        return tuple(
            sorted(
                cls.kinds.values(),
                key=lambda kind: (
                    order.index(kind.__module__) if kind.__module__ in order else len(order)
                ),
            )
        )
