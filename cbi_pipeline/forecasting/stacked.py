"""Several members of one recipe trained side by side: one vectorised step for all seeds.

Each member starts from its own seed and sees its own order of samples, as if it were trained
alone; without dropout the losses agree with separate training within 1e-4. Recurrent cells have
no vectorised form, so their members are trained in turn. Suffix M: members.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import one_hot

from cbi_pipeline.forecasting import devices, windows
from cbi_pipeline.forecasting.anchor import Anchor, lay_beside
from cbi_pipeline.forecasting.ensemble import Ensemble
from cbi_pipeline.forecasting.forecaster import Forecaster, check_anchor
from cbi_pipeline.forecasting.losses.objective import Objective
from cbi_pipeline.forecasting.networks.mlp import MlpConfig
from cbi_pipeline.forecasting.networks.network import Network
from cbi_pipeline.forecasting.networks.nhits import NhitsConfig
from cbi_pipeline.forecasting.networks.patch_transformer import PatchTransformerConfig
from cbi_pipeline.forecasting.networks.tcn import TcnConfig
from cbi_pipeline.forecasting.optimisers import step_unless
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.recipe import Recipe
from cbi_pipeline.forecasting.stopping import EarlyStopping, TrainingFailed
from cbi_pipeline.forecasting.train import Rows, fit
from cbi_pipeline.forecasting.windows import Batch, Inputs


def fit_ensemble(
    recipe: Recipe,
    panel: Panel,
    train_rows_N: Rows,
    validation_rows_M: Rows,
    *,
    seeds: Sequence[int],
    anchor: Anchor | None = None,
    device: str | torch.device | None = None,
) -> Ensemble:
    """Equal-weight ensemble of the recipe at distinct seeds; stacked where shapes allow.

    All members adjust the same anchor where the recipe has one.

    Raises:
        ValueError: seeds repeat, or the rows or the anchor do not suit the recipe.
        TrainingFailed: as `fit`.
    """
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError("seeds: give distinct seeds, at least one")
    chosen = devices.choose_device(device)
    if why_in_turn(recipe) is None and len(seeds) > 1:
        train_N = torch.as_tensor(train_rows_N, dtype=torch.int64, device=chosen)
        validation_M = torch.as_tensor(validation_rows_M, dtype=torch.int64, device=chosen)
        stack = Stack(recipe, panel.to(chosen), train_N, validation_M, seeds, anchor)
        return Ensemble.equal(stack.train())
    recipes = [recipe.with_training(seed=seed) for seed in seeds]
    results = [
        fit(r, panel, train_rows_N, validation_rows_M, anchor=anchor, device=chosen)
        for r in recipes
    ]
    return Ensemble.equal([result.forecaster for result in results])


def why_in_turn(recipe: Recipe) -> str | None:
    """Why members of this recipe cannot be stacked; none if they can."""
    stackable = (MlpConfig, TcnConfig, PatchTransformerConfig, NhitsConfig)
    if not isinstance(recipe.network, stackable):
        return "this network has no vectorised form"
    training, plain = recipe.training, type(recipe.training)()
    for name in ("augment", "averaging", "accumulate", "precision", "compile"):
        if getattr(training, name) != getattr(plain, name):
            return f"training.{name} is done member by member"
    if training.clip is not None and training.clip.method != "norm":
        return "only norm clipping is vectorised"
    if training.optimiser.name not in ("adam", "adamw") or training.schedule.shape == "plateau":
        return "this optimiser or schedule is not vectorised"
    return None


class Stack:
    """Members of one recipe, their parameters stacked along a first axis M."""

    def __init__(
        self,
        recipe: Recipe,
        panel: Panel,
        train_N: Tensor,
        validation_M: Tensor,
        seeds: Sequence[int],
        anchor: Anchor | None = None,
    ) -> None:
        check_anchor(recipe, anchor)
        self.anchor = anchor
        beside, (train_N, validation_M) = lay_beside(anchor, panel, train_N, validation_M)
        self.recipe, self.panel, self.seeds, self.device = recipe, panel, seeds, panel.device
        self.training = recipe.training
        window, mode = recipe.window, recipe.mode
        self.train_sampler = windows.make_sampler(panel, window, train_N, mode, beside)
        self.validation = windows.make_sampler(panel, window, validation_M, mode, beside)
        networks = [self._member(seed, train_N) for seed in seeds]
        self.network = networks[0]
        self.objective: Objective = self.training.objective.build(recipe.levels).to(self.device)
        self.weights, _ = stack_module_state(list[nn.Module](networks))
        self.buffers = dict(self.network.named_buffers())  # one scaler serves all members
        self.optimiser = self.training.optimiser.build_stacked(self.network, self.weights)
        self.orders = [torch.Generator(self.device).manual_seed(seed) for seed in seeds]
        self.stopping = [
            EarlyStopping(self.training.patience, self.training.minimum_gain) for _ in seeds
        ]
        self.best: list[dict[str, Tensor]] = [{} for _ in seeds]
        self.step = 0

    def train(self) -> list[Forecaster]:
        """Trains until no member improves; each member keeps its own best weights."""
        threads = devices.cpu_threads(self.training.threads)
        # Fused attention has no vectorised form; its plain form has, with the same result.
        plain = sdpa_kernel(SDPBackend.MATH)
        with threads, plain, devices.reproducible(self.seeds[0], self.device):
            self._validate()
            for _ in range(self.training.max_epochs):
                self._train_epoch()
                self._validate()
                if all(stopping.exhausted for stopping in self.stopping):
                    break
        return [self._forecaster(m) for m in range(len(self.seeds))]

    def _member(self, seed: int, train_N: Tensor) -> Network:
        with devices.reproducible(seed, self.device):
            return self.recipe.build(self.panel.spec).to(self.device).prepare(self.panel, train_N)

    def _train_epoch(self) -> None:
        self.network.train()
        size, samples = self.training.batch_size, len(self.train_sampler)
        order_MN = torch.stack(
            [torch.randperm(samples, generator=g, device=self.device) for g in self.orders]
        )
        per_epoch = -(-samples // size)
        broken = torch.zeros((), device=self.device)
        for index_MB in order_MN.split(size, dim=1):
            total = per_epoch * self.training.max_epochs
            factor = self.training.schedule.factor(self.step, total, per_epoch)
            broken += self.take_step(index_MB, self.training.optimiser.rate * factor)
            self.step += 1
        if float(broken) > self.training.skip_limit:  # host sync, once per epoch
            raise TrainingFailed(f"{int(broken)} stacked steps were not finite; lower the rate")

    def take_step(self, index_MB: Tensor, rate: float) -> Tensor:
        """One step of every member; one broken member makes all of them skip it."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        members = index_MB.shape[0]
        flat = self.train_sampler.batch(index_MB.flatten())
        batch = Batch(
            flat.inputs.each(lambda x: x.unflatten(0, (members, -1))),
            flat.target_BHC.unflatten(0, (members, -1)),
            flat.weight_BHC.unflatten(0, (members, -1)),
        )
        loss_M = vmap(self._loss, randomness="different")(
            self.weights, batch.inputs.tensors(), batch.target_BHC, batch.weight_BHC
        )
        loss_M.sum().backward()
        norm_M = self._clip()
        broken = (~(norm_M.isfinite() & loss_M.isfinite()).all()).float()
        step_unless(self.optimiser, broken)
        self.optimiser.zero_grad()
        return broken

    def _loss(
        self,
        weights: dict[str, Tensor],
        tensors: tuple[Tensor, ...],
        target_BHC: Tensor,
        weight_BHC: Tensor,
    ) -> Tensor:
        inputs = Inputs.unpack(*tensors)
        output = functional_call(self.network, (weights, self.buffers), (inputs,))
        prior_BHC = self.network.prior_scale(inputs)
        count = weight_BHC.sum().clamp(min=1)
        loss: Tensor = self.objective(output, target_BHC, weight_BHC, prior_BHC, count)
        return loss

    def _clip(self) -> Tensor:
        """Each member's own norm before clipping, [M]; clips as the single run does."""
        grads = [w.grad for w in self.weights.values() if w.grad is not None]
        norm_M = torch.stack([g.flatten(1).square().sum(dim=1) for g in grads]).sum(dim=0).sqrt()
        if self.training.clip is not None:
            share_M = (self.training.clip.limit / (norm_M + 1e-6)).clamp(max=1.0)
            for grad in grads:
                grad.mul_(share_M.view(-1, *[1] * (grad.ndim - 1)))
        return norm_M

    def _validate(self) -> None:
        """Scores every member; those still in the race may improve. Host sync, once per epoch."""
        self.network.eval()
        shares = torch.tensor(self.training.shrinkage, device=self.device)
        with torch.no_grad():
            losses_MSCH, counts_CH = self._losses(shares)
        best_MCH = losses_MSCH.argmin(dim=1)
        loss_M = losses_MSCH.amin(dim=1).sum(dim=(1, 2)) / counts_CH.sum()
        for m, loss in enumerate(loss_M.tolist()):
            if not self.stopping[m].exhausted and self.stopping[m].record_epoch(loss):
                kept = {name: w[m].detach().clone() for name, w in self.weights.items()}
                self.best[m] = {**kept, "shrinkage_CH": shares[best_MCH[m]]}

    def _losses(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Validation sums: losses [M, S, C, H] at each share, targets [C, H]."""
        cells = self.network.steps_CH.shape
        every_N = torch.arange(len(self.validation), device=self.device)
        losses = torch.zeros(
            len(self.seeds), len(shares), *cells, dtype=torch.float64, device=self.device
        )
        counts = torch.zeros(cells, dtype=torch.float64, device=self.device)
        for index_B in every_N.split(self.training.batch_size):
            batch = self.validation.batch(index_B)
            own_BCX = one_hot(batch.inputs.commodity_BC, cells[0]).double()
            for s, share in enumerate(shares):
                loss_MBHC = vmap(self._score, in_dims=(0, None, None))(
                    self.weights, batch, share.expand(cells)
                )
                losses[:, s] += torch.einsum("mbhc,bcx->mxh", loss_MBHC.double(), own_BCX)
            counts += torch.einsum("bhc,bcx->xh", batch.weight_BHC.double(), own_BCX)
        return losses, counts

    def _score(self, weights: dict[str, Tensor], batch: Batch, shrinkage_CH: Tensor) -> Tensor:
        buffers = {**self.buffers, "shrinkage_CH": shrinkage_CH}
        output = functional_call(self.network, (weights, buffers), (batch.inputs,))
        prior_BHC = self.network.prior_scale(batch.inputs)
        return self.objective.score(output, batch.target_BHC, batch.weight_BHC, prior_BHC)

    def _forecaster(self, m: int) -> Forecaster:
        recipe = self.recipe.with_training(seed=self.seeds[m])
        network = recipe.build(self.panel.spec).to(self.device)
        network.load_state_dict(self.network.state_dict())
        network.load_state_dict(self.best[m], strict=False)
        return Forecaster(recipe, self.panel.spec, network.eval(), anchor=self.anchor)
