"""The prior: no change, with a variance of half the EWMA and half the long-run mean per session.

Its shape is Student's t of `student.DEGREES` degrees of freedom, scaled to unit variance. Networks
that name no anchor adjust it, and untrained are it; trees learn in units of its deviation.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Numbers = TypeVar("Numbers", Tensor, NDArray[np.float64])


def one_session_variance(variance_2: Numbers) -> Numbers:
    """The prior's variance of one session's log return.

    Args:
        variance_2: [..., 2], EWMA and long-run variance, as ``Panel.variance_R2`` has them.

    Returns:
        [...], in squared log return.
    """
    return 0.5 * variance_2[..., 0] + 0.5 * variance_2[..., 1]
