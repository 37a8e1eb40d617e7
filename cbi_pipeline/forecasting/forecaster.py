"""A trained model: predicts from a panel, saves to two plain files, loads without pickle."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from cbi_pipeline.forecasting import devices, storage, windows
from cbi_pipeline.forecasting.config import canonical, decode, encode
from cbi_pipeline.forecasting.networks.network import Network
from cbi_pipeline.forecasting.networks.output import Output
from cbi_pipeline.forecasting.panel import Panel, PanelSpec
from cbi_pipeline.forecasting.recipe import Recipe

FORMAT = 1
_WEIGHTS, _DESCRIPTION = "weights.safetensors", "forecaster.json"
_CHUNK = 512

FloatArray = NDArray[np.float64]


class Forecasts(NamedTuple):
    """Forecasts in log returns from origin to target, one line per row asked for.

    Attributes:
        q_NHQ: quantiles, non-decreasing along Q, at the recipe's levels.
        up_NH: probability that the return is positive.
        vol_NH: standard deviation of the return.
    """

    q_NHQ: FloatArray
    up_NH: FloatArray
    vol_NH: FloatArray


@dataclass(frozen=True, eq=False)
class Forecaster:
    """A recipe, the axes it was made for, and a network with its scaler."""

    recipe: Recipe
    spec: PanelSpec
    network: Network

    def predict(self, panel: Panel, rows_N: NDArray[np.int64] | Tensor) -> Forecasts:
        """Forecasts from the given origin rows, on the network's device.

        Raises:
            ValueError: the panel's axes differ from the model's, or a row cannot be an origin.
        """
        self._check(panel.spec)
        device = next(self.network.buffers()).device
        panel = panel.to(device)
        rows = torch.as_tensor(rows_N, dtype=torch.int64, device=device)
        if self.recipe.mode == "pooled":
            feed = windows.pooled(panel, self.recipe.window, rows)
            sample_N, column_N = torch.arange(rows.numel(), device=device), torch.zeros_like(rows)
            return _collect(self._forward(feed), sample_N, column_N)
        feed = windows.joint(panel, self.recipe.window, rows)
        _, sample_N = torch.unique(windows.first_dates(panel, rows), return_inverse=True)
        return _collect(self._forward(feed), sample_N, panel.commodity_R[rows])

    def save(self, folder: Path) -> None:
        """Writes weights.safetensors, then forecaster.json, each whole or not at all."""
        weights = self._weights()
        storage.write_atomic(folder / _WEIGHTS, weights)
        storage.write_atomic(folder / _DESCRIPTION, self._description(weights))

    @classmethod
    def load(cls, folder: Path, device: str | torch.device = "cpu") -> Self:
        """The forecaster saved in `folder`.

        Raises:
            ValueError: the files are missing, damaged, or do not belong together.
        """
        try:
            weights = (folder / _WEIGHTS).read_bytes()
            tree = json.loads((folder / _DESCRIPTION).read_bytes())
        except (FileNotFoundError, json.JSONDecodeError) as error:
            raise ValueError(f"{folder} holds no saved forecaster: {error}") from error
        if tree.get("format") != FORMAT or tree["weights_sha256"] != storage.sha256(weights):
            raise ValueError(f"{folder}: weights and description do not match; save it again")
        recipe, spec = Recipe.from_json(tree["recipe"]), decode(PanelSpec, tree["spec"])
        network = recipe.build(spec)
        network.load_state_dict(safetensors.torch.load(weights))
        return cls(recipe, spec, network.to(device).eval())

    def fingerprint(self) -> str:
        """The sha256 of what `save` writes: equal for equal models."""
        weights = self._weights()
        return storage.sha256(weights + self._description(weights))

    def _weights(self) -> bytes:
        state = {k: v.detach().cpu().contiguous() for k, v in self.network.state_dict().items()}
        return safetensors.torch.save(state)

    def _description(self, weights: bytes) -> bytes:
        tree = {
            "format": FORMAT,
            "recipe": encode(self.recipe),
            "spec": encode(self.spec),
            "weights_sha256": storage.sha256(weights),
        }
        return canonical(tree).encode()

    def _check(self, spec: PanelSpec) -> None:
        for name, mine in vars(self.spec).items():
            theirs = getattr(spec, name)
            if theirs != mine:
                raise ValueError(
                    f"panel.spec.{name} is {theirs}, the model was made for {mine}; "
                    "build the panel with the model's feature set, or retrain"
                )

    def _forward(self, feed: windows.Feed) -> Output:
        self.network.eval()
        every = torch.arange(len(feed), device=feed.row_NC.device)
        with devices.cpu_threads(self.recipe.training.threads), torch.inference_mode():
            parts = [self.network(feed.inputs(index)) for index in every.split(_CHUNK)]
        return Output(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _collect(output: Output, sample_N: Tensor, column_N: Tensor) -> Forecasts:
    """Picks each row's own sample and column out of [B, H, C, ...]."""
    return Forecasts(*(x[sample_N, :, column_N].double().cpu().numpy() for x in output))
