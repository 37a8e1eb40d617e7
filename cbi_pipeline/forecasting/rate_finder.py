"""Learning-rate range test (Smith, 2017): losses while the rate grows geometrically."""

import torch

from cbi_pipeline.forecasting import devices, windows
from cbi_pipeline.forecasting.anchor import Anchor, lay_beside
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.recipe import Recipe
from cbi_pipeline.forecasting.train import Rows, Run


def rate_range(
    recipe: Recipe,
    panel: Panel,
    train_rows_N: Rows,
    *,
    anchor: Anchor | None = None,
    lowest: float = 1e-5,
    highest: float = 1.0,
    steps: int = 60,
) -> list[tuple[float, float]]:
    """(rate, training loss at that rate) for `steps` steps on a network of its own.

    Nothing else is trained or changed. Choose a peak rate some way below the lowest loss. `anchor`
    as for `fit`.

    Raises:
        ValueError: the bounds or the number of steps make no range.
    """
    if not 0 < lowest < highest or steps < 2:
        raise ValueError("rate_range: give 0 < lowest < highest and at least two steps")
    rows_N = torch.as_tensor(train_rows_N, dtype=torch.int64, device=panel.device)
    threads = devices.cpu_threads(recipe.training.threads)
    with threads, devices.reproducible(recipe.training.seed, panel.device):
        beside, (rows_N,) = lay_beside(anchor, panel, rows_N)
        sampler = windows.make_sampler(panel, recipe.window, rows_N, recipe.mode, beside)
        network = recipe.build(panel.spec).to(panel.device).prepare(panel, rows_N)
        run = Run(recipe, network, sampler, sampler)
        network.train()
        rates = [lowest * (highest / lowest) ** (i / (steps - 1)) for i in range(steps)]
        size = min(recipe.training.batch_size, len(sampler))
        lines = []
        for rate in rates:
            order_N = torch.randperm(len(sampler), generator=run.generator, device=panel.device)
            lines.append(run.take_step(order_N[:size], rate))
    losses = [loss / max(count, 1.0) for loss, count, *_ in torch.stack(lines).tolist()]
    return list(zip(rates, losses, strict=True))
