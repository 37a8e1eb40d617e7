"""A trained model: predicts from a panel, saves to two plain files, loads without pickle."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import safetensors.torch
import torch
from torch import Tensor

from cbi_pipeline.forecasting import devices, storage, windows
from cbi_pipeline.forecasting.anchor import Anchor
from cbi_pipeline.forecasting.config import Json, decode, differences, encode, encode_canonical
from cbi_pipeline.forecasting.models.model import Absence, Forecasts, Model, Rows
from cbi_pipeline.forecasting.networks.network import Network
from cbi_pipeline.forecasting.networks.output import Output
from cbi_pipeline.forecasting.panel import Panel, PanelSpec
from cbi_pipeline.forecasting.recipe import Recipe
from cbi_pipeline.forecasting.version import describe_writer, writer

FORMAT = 2
_WEIGHTS, _DESCRIPTION = "weights.safetensors", "forecaster.json"
_ANCHOR = "anchor.json"
_CHUNK = 512


@dataclass(frozen=True, eq=False)
class Forecaster(Model):
    """A recipe, the axes it was made for, and a network with its scaler.

    Attributes:
        recipe: what it was trained by.
        spec: axes.
        network: weights and scaler.
        named: what its fingerprint covers besides the weights, as it was first written; derived
            from recipe and spec for a new one. So a fingerprint outlives options added since.
        anchor: what it adjusts, where its recipe has an anchor.
    """

    recipe: Recipe
    spec: PanelSpec
    network: Network
    named: Mapping[str, Json] = field(default_factory=dict)
    anchor: Anchor | None = None

    def __post_init__(self) -> None:
        check_anchor(self.recipe, self.anchor)
        if not self.named:
            named = {"recipe": differences(self.recipe), "spec": differences(self.spec)}
            object.__setattr__(self, "named", named)

    @property
    def history(self) -> Mapping[str, int]:
        """The recipe's window, or what the anchor reads where that is more."""
        read = self.anchor.history if self.anchor else {}
        return {name: max(self.recipe.window, read.get(name, 0)) for name in self.spec.commodities}

    @property
    def is_joint(self) -> bool:
        """Whether the window holds all commodities side by side."""
        return self.recipe.mode == "joint"

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.buffers()).device

    def absences(self, panel: Panel, rows_N: Rows) -> Sequence[Absence]:
        """Those of its anchor."""
        return self.anchor.absences(panel, rows_N) if self.anchor else ()

    def predict(self, panel: Panel, rows_N: Rows | Tensor) -> Forecasts:
        """Forecasts from the given origin rows, on the network's device.

        Raises:
            ValueError: the panel's axes differ from the model's, or a row cannot be an origin.
        """
        self.check_axes(panel.spec)
        device = self.device
        panel = panel.to(device)
        rows = torch.as_tensor(rows_N, dtype=torch.int64, device=device)
        sampler = self.make_sampler(panel, rows)
        if self.recipe.mode == "pooled":
            sample_N, column_N = torch.arange(rows.numel(), device=device), torch.zeros_like(rows)
            return _collect(self._forward(sampler), sample_N, column_N)
        _, sample_N = torch.unique(windows.first_dates(panel, rows), return_inverse=True)
        return _collect(self._forward(sampler), sample_N, panel.commodity_R[rows])

    def make_sampler(self, panel: Panel, rows_N: Tensor) -> windows.WindowSampler:
        """What the network sees of the given rows, on the panel's device.

        Raises:
            ValueError: a row cannot be an origin, or the anchor cannot forecast it.
        """
        rows = None
        if self.anchor is not None:
            rows = self.anchor.forecast(panel, rows_N)
            if not bool(rows.has_R[rows_N].all()):
                absences = self.anchor.absences(panel, rows_N.cpu().numpy())
                raise ValueError("; ".join(f"{each.commodity}: {each.reason}" for each in absences))
        return windows.make_sampler(panel, self.recipe.window, rows_N, self.recipe.mode, rows)

    def save(self, folder: Path, *, commit: str | None = None) -> None:
        """Writes weights.safetensors, anchor.json where there is one, and then forecaster.json.

        Each is written whole or not at all.

        Args:
            folder: where to.
            commit: git commit of the code that writes, where that is known.
        """
        weights = self._weights()
        tree = {
            "format": FORMAT,
            "recipe": encode(self.recipe),
            "spec": encode(self.spec),
            "named": self.named,
            "weights_sha256": storage.sha256(weights),
            "written_by": writer(commit),
        }
        storage.write_atomic(folder / _WEIGHTS, weights)
        if self.anchor is not None:
            anchor = {**self.anchor.to_json(), "written_by": writer(commit)}
            storage.write_atomic(folder / _ANCHOR, storage.seal(anchor))
            tree["anchor_fingerprint"] = self.anchor.fingerprint()
        storage.write_atomic(folder / _DESCRIPTION, storage.seal(tree))

    @classmethod
    def load(
        cls, folder: Path, device: str | torch.device = "cpu", *, written_by: object = None
    ) -> Self:
        """The forecaster saved in `folder`.

        Args:
            folder: where `save` wrote.
            device: where it shall compute.
            written_by: what else is known of the version that wrote it, for files that do not say.

        Raises:
            ValueError: the files are missing, damaged, do not belong together, or were written
                with options that this version lacks; names the folder and the writing version.
        """
        tree = _description(folder)
        if not (folder / _WEIGHTS).is_file():
            raise ValueError(f"{folder / _WEIGHTS} is missing; save the forecaster again")
        weights = (folder / _WEIGHTS).read_bytes()
        if tree["weights_sha256"] != storage.sha256(weights):
            raise ValueError(f"{folder}: weights and description do not match; save it again")
        written_by = tree.get("written_by", written_by)
        try:
            recipe = Recipe.from_json(tree["recipe"], written_by)
            spec = decode(PanelSpec, tree["spec"], written_by)
            network = recipe.build(spec)
            network.load_state_dict(safetensors.torch.load(weights))
            anchor = None if recipe.anchor is None else _read_anchor(folder, tree)
        except ValueError as error:
            raise ValueError(f"{folder}: {error}") from error
        except RuntimeError as error:
            raise ValueError(
                f"{folder}: the weights are not those of the recipe beside them (written by "
                f"{describe_writer(written_by)}): {' '.join(str(error).split())}"
            ) from error
        return cls(recipe, spec, network.to(device).eval(), tree["named"], anchor)

    def fingerprint(self) -> str:
        """The sha256 of weights, recipe, axes and anchor: equal for equal models."""
        weights = self._weights()
        covered = {**self.named, "weights_sha256": storage.sha256(weights)}
        if self.anchor is not None:
            covered["anchor"] = self.anchor.fingerprint()
        return storage.sha256(weights + encode_canonical(covered).encode())

    def _weights(self) -> bytes:
        state = {k: v.detach().cpu().contiguous() for k, v in self.network.state_dict().items()}
        return safetensors.torch.save(state)

    def _forward(self, sampler: windows.WindowSampler) -> Output:
        self.network.eval()
        every = torch.arange(len(sampler), device=sampler.row_NC.device)
        with devices.cpu_threads(self.recipe.training.threads), torch.inference_mode():
            parts = [self.network(sampler.inputs(index)) for index in every.split(_CHUNK)]
        return Output(*(torch.cat(column) for column in zip(*parts, strict=True)))


def check_anchor(recipe: Recipe, anchor: Anchor | None) -> None:
    """Refuse an anchor of another recipe than the one under a network, or none where one belongs.

    Raises:
        ValueError: says which is missing or wrong.
    """
    asked, given = recipe.anchor_recipe, anchor and anchor.model.recipe
    if asked != given:
        raise ValueError(
            f"recipe {recipe.name} adjusts {asked.name if asked else 'the prior'}; "
            f"got {given.name if given else 'no anchor'}"
            f"{' of another recipe' if asked and given and asked.name == given.name else ''}"
        )


def _read_anchor(folder: Path, tree: Mapping[str, Any]) -> Anchor:
    path = folder / _ANCHOR
    if not path.is_file():
        raise ValueError(f"{_ANCHOR} is missing; save the forecaster again")
    saved = storage.read_sealed(path)
    anchor = Anchor.from_json(saved, _ANCHOR, saved.get("written_by"))
    if anchor.fingerprint() != tree["anchor_fingerprint"]:
        raise ValueError(f"{_ANCHOR} is not the one that was saved; save it again")
    return anchor


def _description(folder: Path) -> dict[str, Any]:
    """What is saved beside the weights, in the form of today.

    Raises:
        ValueError: nothing is saved there, it is damaged, or a later version wrote it.
    """
    path = folder / _DESCRIPTION
    try:
        tree: dict[str, Any] = storage.read_sealed(path)
    except FileNotFoundError as error:
        raise ValueError(f"{folder} holds no saved forecaster: {error}") from error
    except storage.Unsealed:
        # The first format had no checksum of its own; its fingerprint covered the whole file.
        tree = json.loads(path.read_bytes())
        if tree.get("format") == 1:
            return {**tree, "named": {k: tree[k] for k in ("format", "recipe", "spec")}}
    if tree.get("format") != FORMAT:
        raise ValueError(
            f"{folder}: format {tree.get('format')} cannot be read here; load it with the version "
            f"that wrote it ({describe_writer(tree.get('written_by'))}) or a later one"
        )
    return tree


def _collect(output: Output, sample_N: Tensor, column_N: Tensor) -> Forecasts:
    """Picks each row's own sample and column out of [B, H, C, ...]."""
    return Forecasts(*(x[sample_N, :, column_N].double().cpu().numpy() for x in output))
