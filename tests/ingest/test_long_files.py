"""A file of one instrument, however long, is judged and written in the same memory."""

import json
import subprocess
import sys
from array import array
from pathlib import Path

import pytest

#: Bars of the shorter file; the longer has four times as many.
BARS = 100_000
#: Bytes that a further bar may add to the most memory; one that is held with its columns takes more
#: than twice as many.
MOST = 200


def write(path: Path, bars: int, last: int) -> Path:
    closes = [50_000 + number % 1_000 for number in range(bars - 1)]
    path.write_bytes(array("i", [*closes, last]).tobytes())
    return path


def imported(folder: Path, bars: int) -> dict[str, int]:
    """What a file of so many bars adds, what it adds with another last bar, and the memory."""
    folder.mkdir()
    files = [write(folder / "first", bars, 50_000), write(folder / "second", bars, 50_500)]
    command = [sys.executable, "-m", "tests.ingest.hour_files", folder, *files]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_bars_of_a_file(tmp_path):
    short, long = (imported(tmp_path / str(bars), bars) for bars in (BARS, 4 * BARS))
    assert (short["first"], short["second"]) == (BARS, 1)
    assert (long["first"], long["second"]) == (4 * BARS, 1)
    assert (long["peak"] - short["peak"]) * 1024 <= 3 * BARS * MOST
