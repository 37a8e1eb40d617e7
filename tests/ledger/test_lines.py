"""Files of one document a line, added to by several processes at once."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from multiprocessing.synchronize import Barrier
from pathlib import Path

from cbi_pipeline.ledger import append_line
from cbi_pipeline.ledger._lines import whole_lines

# Lines of several pages are written page by page, so that half of one can be seen.
FORK = multiprocessing.get_context("fork")
LINES, LENGTH = 300, 9_000


def add(path: Path, letter: str, together: Barrier) -> None:
    # Without the wait for the disk the processes meet far more often.
    os.fsync = lambda _: None  # type: ignore[assignment]
    together.wait(10)
    for _ in range(LINES):
        append_line(path, letter * LENGTH)


def test_two_processes_that_add_at_once_lose_no_line(tmp_path: Path) -> None:
    path, together = tmp_path / "lines.jsonl", FORK.Barrier(2)
    processes = [FORK.Process(target=add, args=(path, letter, together)) for letter in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0]
    expected = {letter * LENGTH + "\n": LINES for letter in "ab"}
    assert Counter(whole_lines(path)) == expected


def test_a_process_killed_while_it_adds_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    append_line(path, '"before"')
    killed = FORK.Process(target=append_line, args=(path, lambda: os._exit(9)))
    killed.start()
    killed.join(30)
    assert killed.exitcode == 9
    append_line(path, '"after"')
    assert whole_lines(path) == ['"before"\n', '"after"\n']
