"""What every encoder's configuration is, and where the kinds of them are found."""

from abc import ABC, abstractmethod
from importlib import import_module
from typing import ClassVar, Protocol

from torch import Tensor

from cbi_pipeline.forecasting.config import Config

#: Modules of this package, each with the configuration of one kind of encoder.
MODULES = ("recurrent", "lstm_attention", "mlp", "tcn", "patch_transformer", "nhits", "cross")


class Encoder(Protocol):
    """A module from windows to states.

    Attributes:
        width: numbers in a state.
    """

    width: int

    def __call__(self, x: Tensor) -> Tensor:
        """[N, T, I] to [N, width]."""
        ...


class EncoderConfig(Config, ABC):
    """Base of the configuration of every kind of encoder.

    Attributes:
        kinds: by the kind's name, its configuration.
        needs_joint: whether its samples hold all commodities side by side.
    """

    kinds: ClassVar[dict[str, type["EncoderConfig"]]] = {}
    needs_joint: ClassVar[bool] = False

    def __init_subclass__(cls, *, kind: str = "") -> None:
        super().__init_subclass__(kind=kind)
        EncoderConfig.kinds[kind] = cls

    @classmethod
    def members(cls) -> "tuple[type[Config], ...]":
        """Every kind of encoder's configuration, for a field that takes any."""
        return tuple(load_kinds()) if cls is EncoderConfig else ()

    @abstractmethod
    def build(self, inputs: int, window: int, horizons: int) -> Encoder:
        """The encoder, freshly initialised.

        Args:
            inputs: numbers per row of a window.
            window: rows.
            horizons: horizons that are forecast.
        """


def load_kinds() -> list[type[EncoderConfig]]:
    """Every kind of encoder's configuration, in the order of `MODULES`; others come last."""
    order = [import_module(f"{__package__}.{name}").__name__ for name in MODULES]
    return sorted(
        EncoderConfig.kinds.values(),
        key=lambda kind: order.index(kind.__module__) if kind.__module__ in order else len(order),
    )
