"""Early stopping that takes a NaN for a failure, never for an improvement."""

import math
from dataclasses import dataclass


class TrainingFailed(RuntimeError):
    """Training produced numbers that are not finite, past what the recipe tolerates."""


@dataclass
class EarlyStopping:
    """Keeps the best validation loss; stops after `patience` epochs without improvement.

    Attributes:
        patience: epochs without improvement before it is time to stop.
        minimum: an improvement must be larger than this.
        best: best loss so far.
        waited: epochs since then.
    """

    patience: int
    minimum: float
    best: float = math.inf
    waited: int = 0

    def record_epoch(self, loss: float) -> bool:
        """Records one epoch; True when it is the best so far.

        Raises:
            TrainingFailed: the loss is NaN or infinite.
        """
        if not math.isfinite(loss):
            raise TrainingFailed(f"validation loss is {loss}; lower the learning rate")
        if loss < self.best - self.minimum:
            self.best, self.waited = loss, 0
            return True
        self.waited += 1
        return False

    @property
    def exhausted(self) -> bool:
        """True when it is time to stop."""
        return self.waited >= self.patience
