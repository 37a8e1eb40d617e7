"""How fast a forecaster answers and how much memory it takes, on real windows."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from cbi_pipeline.forecasting import devices, windows
from cbi_pipeline.forecasting.export import Rows
from cbi_pipeline.forecasting.forecaster import Forecaster
from cbi_pipeline.forecasting.panel import Panel

MIB = 1024.0**2


@dataclass(frozen=True)
class Latency:
    """Wall-clock seconds of one forward pass of `batch_size` samples, gather included.

    Attributes:
        batch_size: samples per call.
        mean: over all timed calls.
        p50: median.
        p95: 95th percentile.
        p99: 99th percentile.
        samples_per_second: batch size over mean.
    """

    batch_size: int
    mean: float
    p50: float
    p95: float
    p99: float
    samples_per_second: float


@dataclass(frozen=True)
class Memory:
    """Mebibytes.

    Attributes:
        weights: parameters and buffers.
        inputs: one batch of windows.
        forward: device peak above the start during a forward pass; none where the device keeps
            no such count.
        training: the same for forward and backward.
    """

    weights: float
    inputs: float
    forward: float | None
    training: float | None


def latency(
    forecaster: Forecaster, panel: Panel, rows_N: Rows, *, calls: int = 200, warmup: int = 10
) -> Latency:
    """Times `calls` forward passes over the given rows as one batch, on the model's device.

    The model's mode and device stay as they are.

    Raises:
        ValueError: no calls to time.
    """
    if calls < 1 or warmup < 0:
        raise ValueError("latency: time at least one call")
    sampler, every = _sampler(forecaster, panel, rows_N)
    network, was_training = forecaster.network, forecaster.network.training
    threads = devices.cpu_threads(forecaster.recipe.training.threads)
    try:
        network.eval()
        with threads, torch.inference_mode():
            spans = [
                _time_call(lambda: network(sampler.inputs(every)), every.device)
                for _ in range(warmup + calls)
            ][warmup:]
    finally:
        network.train(was_training)
    p50, p95, p99 = np.percentile(spans, (50, 95, 99)).tolist()
    mean = float(np.mean(spans))
    return Latency(len(sampler), mean, p50, p95, p99, len(sampler) / mean)


def memory(forecaster: Forecaster, panel: Panel, rows_N: Rows) -> Memory:
    """Memory of the weights, of one batch of the given rows, and of passing it through."""
    sampler, every = _sampler(forecaster, panel, rows_N)
    network = forecaster.network
    state = [*network.parameters(), *network.buffers()]
    inputs = sampler.inputs(every)

    def forward() -> None:
        with torch.inference_mode():
            network(inputs)

    def train() -> None:
        torch.stack([part.sum() for part in network(inputs)]).sum().backward()
        network.zero_grad()

    return Memory(
        weights=sum(t.numel() * t.element_size() for t in state) / MIB,
        inputs=sum(t.numel() * t.element_size() for t in inputs.tensors()) / MIB,
        forward=_peak(forward, every.device),
        training=_peak(train, every.device),
    )


def _sampler(
    forecaster: Forecaster, panel: Panel, rows_N: Rows
) -> tuple[windows.WindowSampler, torch.Tensor]:
    device = forecaster.network.steps_CH.device
    rows = torch.as_tensor(rows_N, dtype=torch.int64, device=device)
    sampler = forecaster.make_sampler(panel.to(device), rows)
    return sampler, torch.arange(len(sampler), device=device)


def _time_call(call: Callable[[], object], device: torch.device) -> float:
    devices.wait(device)
    began = time.perf_counter()
    call()
    devices.wait(device)
    return time.perf_counter() - began


def _peak(call: Callable[[], None], device: torch.device) -> float | None:
    if device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    devices.wait(device)
    return (torch.cuda.max_memory_allocated(device) - before) / MIB
