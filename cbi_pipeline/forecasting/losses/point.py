"""Losses of a point forecast, element by element.

`error` is (forecast - actual) in units of the prior's scale, any shape; the result has that shape
and the unit's square (squared), the unit (absolute) or a mix (huber, log_cosh).
"""

import math

from torch import Tensor
from torch.nn.functional import huber_loss, softplus


def squared_error(error: Tensor) -> Tensor:
    """e^2; its minimiser is the mean."""
    return error.square()


def absolute_error(error: Tensor) -> Tensor:
    """|e|; its minimiser is the median."""
    return error.abs()


def huber(error: Tensor, threshold: float = 1.0) -> Tensor:
    """e^2 / 2 within the threshold, threshold (|e| - threshold / 2) beyond (Huber, 1964)."""
    return huber_loss(
        error, error.new_zeros(()).expand_as(error), reduction="none", delta=threshold
    )


def log_cosh(error: Tensor) -> Tensor:
    """Log cosh e, written so that large errors do not overflow."""
    return error + softplus(-2.0 * error) - math.log(2.0)
