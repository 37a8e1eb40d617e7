"""Programs that run without this package: torch.export and ONNX, any batch size.

Inputs, in this order: values [B, T, C, F] float32 (raw, 0 where absent), mask [B, T, C, F] bool,
age [B, T, C, G] float32 days, variance [B, C, 2] float32, commodity [B, C] int64; of a network over
an anchor also that one's forecasts: quantiles [B, H, C, Q], up [B, H, C], volatility [B, H, C], all
float32. Outputs: quantiles [B, H, C, Q], up [B, H, C], volatility [B, H, C]. The scaler is inside,
the anchor is not. B varies; T, C and F are fixed.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cbi_pipeline.forecasting.forecaster import Forecaster
from cbi_pipeline.forecasting.networks.network import Network
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.windows import Inputs

INPUT_NAMES = ("values", "mask", "age", "variance", "commodity")
ANCHOR_NAMES = ("anchor_quantiles", "anchor_up", "anchor_volatility")
OUTPUT_NAMES = ("quantiles", "up", "volatility")
OPSET = 18

Rows = NDArray[np.int64] | Tensor


class Plain(nn.Module):
    """The network with plain tensors for arguments and a plain tuple for a result."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, values: Tensor, mask: Tensor, age: Tensor, variance: Tensor, commodity: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Quantiles, probability of a rise, volatility."""
        return self._answer(values, mask, age, variance, commodity)

    def _answer(self, *tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        output = self.network(Inputs.unpack(*tensors))
        return output.q_BHCQ, output.up_BHC, output.vol_BHC


class PlainOverAnchor(Plain):
    """The same of a network over an anchor, whose forecasts are inputs."""

    def forward(  # type: ignore[override]
        self,
        values: Tensor,
        mask: Tensor,
        age: Tensor,
        variance: Tensor,
        commodity: Tensor,
        anchor_quantiles: Tensor,
        anchor_up: Tensor,
        anchor_volatility: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Quantiles, probability of a rise, volatility."""
        given = values, mask, age, variance, commodity
        return self._answer(*given, anchor_quantiles, anchor_up, anchor_volatility)


def input_names(forecaster: Forecaster) -> tuple[str, ...]:
    """Names of the program's inputs, in their order."""
    return INPUT_NAMES if forecaster.anchor is None else (*INPUT_NAMES, *ANCHOR_NAMES)


def real_inputs(forecaster: Forecaster, panel: Panel, rows_N: Rows) -> Inputs:
    """The model's inputs for real rows of a panel, on the CPU."""
    rows = torch.as_tensor(rows_N, dtype=torch.int64)
    sampler = forecaster.make_sampler(panel.to("cpu"), rows)
    return sampler.inputs(torch.arange(len(sampler)))


def to_program(forecaster: Forecaster, panel: Panel, rows_N: Rows) -> torch.export.ExportedProgram:
    """An exported program with a dynamic batch, traced on real windows of at least two samples.

    Raises:
        ValueError: the rows make fewer than two samples, from which no batch axis can be told.
    """
    inputs = real_inputs(forecaster, panel, rows_N)
    if inputs.values_BTCF.shape[0] < 2:
        raise ValueError("rows_N: give at least two samples; one would fix the batch size")
    batch = torch.export.Dim("batch", min=1)
    with torch.no_grad():
        return torch.export.export(
            _copy_plain(forecaster),
            inputs.tensors(),
            dynamic_shapes=[{0: batch} for _ in inputs.tensors()],
        )


def save_program(forecaster: Forecaster, panel: Panel, rows_N: Rows, path: Path) -> None:
    """Writes `to_program`'s result; read it with `torch.export.load(path).module()`.

    Raises:
        ValueError: the path does not end in .pt2.
    """
    _check_suffix(path, ".pt2")
    torch.export.save(to_program(forecaster, panel, rows_N), path)


def save_onnx(forecaster: Forecaster, panel: Panel, rows_N: Rows, path: Path) -> None:
    """Writes an ONNX model with a dynamic batch; needs the packages of the extra `onnx`.

    Raises:
        ValueError: the path does not end in .onnx.
    """
    _check_suffix(path, ".onnx")
    program = to_program(forecaster, panel, rows_N)
    torch.onnx.export(
        program,
        (),
        path,
        input_names=input_names(forecaster),
        output_names=OUTPUT_NAMES,
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def _copy_plain(forecaster: Forecaster) -> Plain:
    """A copy on the CPU in evaluation mode; the forecaster itself is left as it is."""
    network = forecaster.recipe.build(forecaster.spec)
    network.load_state_dict(forecaster.network.state_dict())
    return (Plain if forecaster.anchor is None else PlainOverAnchor)(network).eval()


def _check_suffix(path: Path, suffix: str) -> None:
    if path.suffix != suffix:
        raise ValueError(f"{path}: name the file with the suffix {suffix}")
