"""What a run reports: its learning curve and its result."""

from dataclasses import dataclass, field

from cbi_pipeline.forecasting.forecaster import Forecaster


@dataclass(frozen=True)
class EpochRecord:
    """One line of the learning curve; losses are the recipe's objective per known target.

    Attributes:
        epoch: 0 is the untrained network.
        step: optimiser steps so far.
        train_loss: over the epoch, as seen by the steps; none at epoch 0.
        validation_loss: over the validation rows.
        validation_CH: the same per commodity and horizon; none where no target is known.
        rate: learning rate of the last step.
        gradient_norm: mean before clipping.
        skipped: steps left out because they were not finite.
        best: the best validation loss so far.
        seconds: spent on the epoch; no part of equality.
    """

    epoch: int
    step: int
    train_loss: float | None
    validation_loss: float
    validation_CH: tuple[tuple[float | None, ...], ...]
    rate: float
    gradient_norm: float
    skipped: int
    best: bool
    seconds: float = field(compare=False)


@dataclass(frozen=True)
class FitResult:
    """The best model of a run, its learning curve, and why it stopped."""

    forecaster: Forecaster
    curve: tuple[EpochRecord, ...]
    stopped: str
