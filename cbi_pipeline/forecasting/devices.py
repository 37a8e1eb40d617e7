"""Where to compute, and how to make it repeatable."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def choose_device(wanted: str | torch.device | None = None) -> torch.device:
    """The wanted device, else CUDA, else MPS, else the CPU."""
    if wanted is not None:
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def describe_device(device: torch.device) -> str:
    """The device in words: its kind, and its model where bits depend on that.

    Bits repeat on one device, so this belongs to caches, checkpoints and provenance; a recipe is
    the same on every device.
    """
    if device.type == "cuda":
        return f"cuda, {torch.cuda.get_device_name(device)}"
    return device.type


@contextmanager
def reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds every generator and asks for deterministic kernels; leaves both as they were.

    Bits repeat on one device and one torch version.
    """
    if device.type == "cuda":
        # cuBLAS reads this when its handle is made; without it two runs may differ in bits.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.get_deterministic_debug_mode()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        try:
            # As use_deterministic_algorithms(True), less its import of the whole compiler, seconds
            # in each process; what is compiled gets that setting among its options.
            torch.set_deterministic_debug_mode("error")
            # Nothing here reads memory it did not write; filling it would only cost time.
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
            yield
        finally:
            torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
            torch.set_deterministic_debug_mode(before)


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Computes with `count` CPU threads, then as before.

    The order of a sum, and so its last bits, follows from the number of threads; and more than
    one slows small networks down badly on a busy machine.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def wait(device: torch.device) -> None:
    """Returns when the device has done all it was asked to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def random_states(device: torch.device) -> dict[str, torch.Tensor]:
    """The global generators' states: the CPU's, and the device's when it has its own."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random_states(states: dict[str, torch.Tensor], device: torch.device) -> None:
    """The inverse of `random_states`."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
