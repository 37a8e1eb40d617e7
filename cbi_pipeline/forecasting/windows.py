"""Windows of a panel, cut by index on the device that holds it.

A batch is an index gather: no per-item Dataset, no worker, no host copy. Suffixes: B batch,
T window, C commodities (1 in pooled mode), F features, G groups, H horizons, N samples.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Self

import torch
from torch import Tensor

from cbi_pipeline.forecasting.anchor import AnchorRows
from cbi_pipeline.forecasting.panel import Panel


class AnchorInputs(NamedTuple):
    """What the anchor says of each sample's newest row; Q quantile levels.

    Attributes:
        q_BHCQ: float32 quantiles, non-decreasing in Q.
        up_BHC: float32 probability that the return is positive.
        vol_BHC: float32 standard deviation of the return.
    """

    q_BHCQ: Tensor
    up_BHC: Tensor
    vol_BHC: Tensor


class Inputs(NamedTuple):
    """What a network sees.

    Attributes:
        values_BTCF: float32 raw features, 0 where absent; T runs from oldest to newest.
        mask_BTCF: bool, True where a feature is present.
        age_BTCG: float32 days.
        variance_BC2: float32 one-step variances of the newest row (1 where there is no row).
        commodity_BC: int64 index of the commodity.
        anchor: forecasts that the network adjusts; none for one without an anchor model.
    """

    values_BTCF: Tensor
    mask_BTCF: Tensor
    age_BTCG: Tensor
    variance_BC2: Tensor
    commodity_BC: Tensor
    anchor: AnchorInputs | None = None

    def tensors(self) -> tuple[Tensor, ...]:
        """All of them in a row, those of the anchor last."""
        return (*self[:5], *(self.anchor or ()))

    def each(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The same inputs, every tensor changed alike."""
        return self.unpack(*map(change, self.tensors()))

    @classmethod
    def unpack(cls, *tensors: Tensor) -> Self:
        """The inputs of tensors in the order of `tensors`."""
        values, mask, age, variance, commodity, *rest = tensors
        anchor = AnchorInputs(*rest) if rest else None
        return cls(values, mask, age, variance, commodity, anchor)


class Batch(NamedTuple):
    """Inputs with their targets.

    Attributes:
        inputs: the windows.
        target_BHC: float32 log returns, 0 where unknown.
        weight_BHC: float32, 1 where a target counts, else 0.
        partner: second targets with their weights, for blended samples.
    """

    inputs: Inputs
    target_BHC: Tensor
    weight_BHC: Tensor
    partner: tuple[Tensor, Tensor] | None = None


@dataclass(frozen=True, eq=False)
class WindowSampler:
    """A fixed set of N samples, each a row (pooled) or one row per commodity (joint).

    Attributes:
        panel: on the device where batches are wanted.
        window: T.
        row_NC: int64 newest row of each window; -1 for none. C is 1 in pooled mode.
        counts_NC: bool, True where the row's targets count in the loss.
        ragged: True when some window starts before its commodity's first row.
        anchor: forecasts of the rows, for a network that adjusts them.
    """

    panel: Panel
    window: int
    row_NC: Tensor
    counts_NC: Tensor
    ragged: bool
    anchor: AnchorRows | None = None

    def __len__(self) -> int:
        return self.row_NC.shape[0]

    def inputs(self, index_B: Tensor, shift_B: Tensor | None = None) -> Inputs:
        """Gathers the windows of the samples `index_B` (int64 on the panel's device).

        `shift_B` slides all rows but the newest that many rows further into the past.
        """
        panel, row_BC = self.panel, self.row_NC.index_select(0, index_B)
        newest_BC = row_BC.clamp(min=0)
        row_BTC, valid_BTC = self._window_rows(row_BC, shift_B)
        values = _take(panel.values_RF, row_BTC)
        mask = _take(panel.mask_RF, row_BTC)
        age = _take(panel.age_RG, row_BTC)
        if valid_BTC is not None:
            mask = mask & valid_BTC[..., None]
            values, age = values * mask, age * valid_BTC[..., None]
        variance = _take(panel.variance_R2, newest_BC)
        if valid_BTC is not None:
            variance = torch.where((row_BC >= 0)[..., None], variance, 1.0)
        return Inputs(
            values, mask, age, variance, self._commodity(newest_BC), self._anchor(newest_BC)
        )

    def batch(self, index_B: Tensor, shift_B: Tensor | None = None) -> Batch:
        """The windows of `index_B`, shifted if asked, with the targets of their newest rows."""
        newest_BC = self.row_NC.index_select(0, index_B).clamp(min=0)
        counts_BC = self.counts_NC.index_select(0, index_B)
        target_BCH = _take(self.panel.target_RH, newest_BC)
        mask_BCH = _take(self.panel.target_mask_RH, newest_BC) & counts_BC[..., None]
        weight_BHC = mask_BCH.transpose(1, 2).float()
        return Batch(self.inputs(index_B, shift_B), target_BCH.transpose(1, 2), weight_BHC)

    def target_count(self, index_B: Tensor) -> Tensor:
        """How many targets of `index_B` count, as a device scalar (no host sync)."""
        newest_BC = self.row_NC.index_select(0, index_B).clamp(min=0)
        mask_BCH = _take(self.panel.target_mask_RH, newest_BC)
        return (mask_BCH & self.counts_NC.index_select(0, index_B)[..., None]).sum()

    def _window_rows(self, row_BC: Tensor, shift_B: Tensor | None) -> tuple[Tensor, Tensor | None]:
        back_T = torch.arange(1 - self.window, 1, device=row_BC.device)
        row_BTC = row_BC[:, None, :] + back_T[None, :, None]
        if shift_B is not None:
            row_BTC[:, :-1] -= shift_B[:, None, None]
        elif not self.ragged:
            return row_BTC, None
        newest_BC = row_BC.clamp(min=0)
        first_BC = self.panel.first_row_C()[self._commodity(newest_BC)]
        valid_BTC = row_BTC >= first_BC[:, None, :]
        return torch.maximum(row_BTC, first_BC[:, None, :]), valid_BTC & (row_BC >= 0)[:, None, :]

    def _anchor(self, newest_BC: Tensor) -> AnchorInputs | None:
        if self.anchor is None:
            return None
        tables = self.anchor.q_RHQ, self.anchor.up_RH, self.anchor.vol_RH
        return AnchorInputs(*(_take(table, newest_BC).transpose(1, 2) for table in tables))

    def _commodity(self, newest_BC: Tensor) -> Tensor:
        if self.row_NC.shape[1] > 1:  # joint: column c is commodity c, with or without a row
            ids = torch.arange(newest_BC.shape[1], device=newest_BC.device)
            return ids.expand_as(newest_BC)
        return _take(self.panel.commodity_R, newest_BC)


def make_sampler(
    panel: Panel,
    window: int,
    rows_N: Tensor,
    mode: Literal["pooled", "joint"],
    anchor: AnchorRows | None = None,
) -> WindowSampler:
    """The sampler of the rows in the given mode; see `pooled_sampler` and `joint_sampler`.

    With `anchor` its inputs hold what that says of the newest rows.
    """
    make = pooled_sampler if mode == "pooled" else joint_sampler
    return replace(make(panel, window, rows_N), anchor=anchor)


def pooled_sampler(panel: Panel, window: int, rows_N: Tensor) -> WindowSampler:
    """One sample per row; pooled over commodities.

    Raises:
        ValueError: a row is outside the panel or not ready, or the window exceeds the history.
    """
    rows = _checked_rows(panel, window, rows_N)
    first = panel.first_row_C()[panel.commodity_R[rows]]
    ragged = bool((rows - first < window - 1).any())  # host sync, once per row set
    counts = torch.ones_like(rows, dtype=torch.bool)
    return WindowSampler(panel, window, rows[:, None], counts[:, None], ragged)


def joint_sampler(panel: Panel, window: int, rows_N: Tensor) -> WindowSampler:
    """One sample per decision date that holds any of the rows; all commodities side by side.

    Only the rows asked for count in the loss. A row that `pos_DC` repeats counts once, at its
    first date.

    Raises:
        ValueError: as for `pooled`, or a row has no place in `pos_DC`.
    """
    rows = _checked_rows(panel, window, rows_N)
    date_N = first_dates(panel, rows)
    dates, sample_N = torch.unique(date_N, return_inverse=True)
    row_NC = panel.pos_DC.long().index_select(0, dates)
    ready = panel.ready_R[row_NC.clamp(min=0)] & (row_NC >= 0)
    row_NC = torch.where(ready, row_NC, -1)
    counts = torch.zeros_like(row_NC, dtype=torch.bool)
    counts[sample_N, panel.commodity_R[rows]] = True
    first = panel.first_row_C()
    ragged = bool((row_NC - first < window - 1).any())  # host sync, once per row set
    return WindowSampler(panel, window, row_NC, counts, ragged)


def first_dates(panel: Panel, rows_N: Tensor) -> Tensor:
    """int64 [N], the first decision date index of each row.

    Raises:
        ValueError: a row is at no date.
    """
    dates = panel.pos_DC.shape[0]
    date_R = torch.full((panel.rows,), dates, dtype=torch.int64, device=panel.device)
    pos = panel.pos_DC.long()
    where_D = torch.arange(dates, device=panel.device)[:, None].expand_as(pos)
    date_R.scatter_reduce_(0, pos[pos >= 0], where_D[pos >= 0], "amin")
    days = date_R[rows_N]
    if bool((days == dates).any()):
        raise ValueError("pos_DC: some rows have no decision date; joint mode needs one for each")
    return days


def _take(table: Tensor, index: Tensor) -> Tensor:
    """Rows of `table` at `index`: index_select copies whole rows, twice as fast as table[index]."""
    picked = table.index_select(0, index.reshape(-1))
    return picked.view(*index.shape, *table.shape[1:])


def _checked_rows(panel: Panel, window: int, rows_N: Tensor) -> Tensor:
    rows = torch.as_tensor(rows_N, dtype=torch.int64, device=panel.device)
    if rows.ndim != 1 or rows.numel() == 0:
        raise ValueError("rows: give a one-dimensional, non-empty list of row indices")
    if bool((rows < 0).any() | (rows >= panel.rows).any()):
        raise ValueError(f"rows: an index lies outside 0..{panel.rows - 1}")
    if not bool(panel.ready_R[rows].all()):
        raise ValueError("rows: some rows are not ready (ready_R is False); leave them out")
    longest = int(torch.bincount(panel.commodity_R).max())
    if window > longest:
        raise ValueError(
            f"window: {window} rows, but the longest history has {longest}; use a shorter window"
        )
    return rows
