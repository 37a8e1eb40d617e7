"""Bars of long work on a console, and what that work says it will take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def draw_bars(screen: Console) -> Iterator[Progress]:
    """Bars below what is printed."""
    columns = (
        TextColumn("  {task.description:<28}", markup=False),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
    )
    with Progress(*columns, console=screen) as bars:
        yield bars


@contextmanager
def show_work(bars: Progress, screen: Console) -> Iterator[None]:
    """Draw what the work inside tracks, and print what it announces."""
    from cbi_pipeline.operations.progress import watched_by

    with watched_by(_watch(bars), lambda words: screen.print(f"  {words}")):
        yield


def _watch(
    bars: Progress,
) -> Callable[[str, int], AbstractContextManager[Callable[[str], None]]]:
    @contextmanager
    def watch(title: str, steps: int) -> Iterator[Callable[[str], None]]:
        if steps == 0:
            yield lambda note: None
            return
        task = bars.add_task(title, total=steps, note="")
        yield lambda note: bars.update(task, advance=1, note=note)

    return watch
