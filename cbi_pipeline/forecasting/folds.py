"""Walk-forward folds: chronological, purged by the instant each target became public."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cbi_pipeline.forecasting.panel import NEVER, Panel

DAY_US = 86_400_000_000
IntArray = NDArray[np.int64]


class NothingToTrainOn(ValueError):
    """No rows to train on, or none to validate on, were public at a refit."""


@dataclass(frozen=True, eq=False)
class Fold:
    """Row indices (int64) of one refit, in time order within each commodity.

    Attributes:
        name: the refit date.
        refit_at_us: microseconds UTC; nothing public later is used to fit.
        train_rows: rows whose every target was public before validation began, less the embargo.
        validation_rows: the newest share of what was known at the refit.
        test_rows: origins that this fold forecasts.
    """

    name: str
    refit_at_us: int
    train_rows: IntArray
    validation_rows: IntArray
    test_rows: IntArray


def walk_forward(
    panel: Panel,
    origins_N: IntArray,
    refit_at_us: Sequence[int],
    *,
    embargo_days: float,
    validation_share: float,
) -> list[Fold]:
    """One fold per refit instant; a fold's test rows are the origins until the next refit.

    Raises:
        NothingToTrainOn: a fold has no training or no validation rows.
        ValueError: refits are not increasing, or an origin precedes the first refit.
    """
    refits = [int(t) for t in refit_at_us]
    if not refits or any(a >= b for a, b in pairwise(refits)):
        raise ValueError("refit_at_us: give increasing instants, at least one")
    origins = np.asarray(origins_N, dtype=np.int64)
    decision = panel.decision_at_R.cpu().numpy()[origins]
    if (decision < refits[0]).any():
        raise ValueError("origins_N: some origins lie before the first refit; add an earlier refit")
    folds = []
    for refit, following in zip(refits, [*refits[1:], NEVER], strict=True):
        test = origins[(decision >= refit) & (decision < following)]
        train, validation = _split(panel, refit, embargo_days, validation_share)
        folds.append(Fold(day_name(refit), refit, train, validation, test))
    return folds


def is_trainable(
    panel: Panel, refit_at_us: int, *, embargo_days: float, validation_share: float
) -> bool:
    """True when rows to train and to validate on were public at a refit (microseconds UTC)."""
    try:
        _split(panel, refit_at_us, embargo_days, validation_share)
    except NothingToTrainOn:
        return False
    return True


def make_final_fold(
    panel: Panel, as_of_us: int, *, embargo_days: float, validation_share: float
) -> Fold:
    """The fold of a final training: test rows are each commodity's newest ready row.

    Raises:
        NothingToTrainOn: no training or no validation rows are known as of then.
    """
    train, validation = _split(panel, as_of_us, embargo_days, validation_share)
    test = newest_origins(panel, as_of_us)
    return Fold(day_name(as_of_us), int(as_of_us), train, validation, test)


def without_training(refit_at_us: int, test_rows: IntArray) -> Fold:
    """A fold for what needs no training rows, where none are public at the refit."""
    nothing: IntArray = np.array([], dtype=np.int64)
    return Fold(day_name(refit_at_us), refit_at_us, nothing, nothing, test_rows)


def newest_origins(panel: Panel, as_of_us: int) -> IntArray:
    """Each commodity's newest ready row decided by an instant (microseconds UTC), int64 [<= C]."""
    is_ready = (panel.decision_at_R <= as_of_us) & panel.ready_R
    rows = is_ready.nonzero().flatten().cpu().numpy()
    commodity = panel.commodity_R.cpu().numpy()[rows]
    newest: IntArray = rows[np.append(np.diff(commodity) > 0, True)[: rows.size]]
    return newest


def _split(
    panel: Panel, refit_at: int, embargo_days: float, validation_share: float
) -> tuple[IntArray, IntArray]:
    """Rows to train on and rows to validate on.

    A row counts as known once its longest target is public: a target still unknown holds NEVER,
    so a panel built later selects the same rows.
    """
    if not 0.0 < validation_share < 1.0:
        raise ValueError("validation_share: give a share strictly between 0 and 1")
    if embargo_days < 0:
        raise ValueError("embargo_days: must not be negative")
    embargo = int(embargo_days * DAY_US)
    public = panel.target_available_RH.max(dim=1).values.cpu().numpy()
    decision = panel.decision_at_R.cpu().numpy()
    rows = np.flatnonzero(panel.ready_R.cpu().numpy() & (public <= refit_at - embargo))
    if rows.size == 0:
        raise NothingToTrainOn(
            f"no training rows are known at the refit of {day_name(refit_at)}; refit later"
        )
    order = np.sort(decision[rows])
    opens = order[min(int((1.0 - validation_share) * rows.size), rows.size - 1)]
    validation = rows[decision[rows] >= opens]
    train = rows[public[rows] <= opens - embargo]
    if train.size == 0:
        raise NothingToTrainOn(
            f"no training rows are left before validation at the refit of {day_name(refit_at)}; "
            "refit later, or lower validation_share or embargo_days"
        )
    return train, validation


def day_name(instant_us: int) -> str:
    """The day of an instant (microseconds UTC), which names a fold."""
    return str(np.datetime64(int(instant_us), "us").astype("datetime64[D]"))
