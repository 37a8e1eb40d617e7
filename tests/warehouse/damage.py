"""What disks, copies and people do to a database file."""

import shutil
from pathlib import Path


def _flip_across(content: bytes) -> bytes:
    """One byte of every other kilobyte after the headers is another."""
    damaged = bytearray(content)
    for at in range(3 * 4096, len(damaged), 2048):
        damaged[at] ^= 0x5A
    return bytes(damaged)


HARMS = {
    "cut to half": lambda content: content[: len(content) // 2],
    "cut in its header": lambda content: content[:100],
    "one byte short": lambda content: content[:-1],
    "zeroed header": lambda content: b"\0" * 4096 + content[4096:],
    "zeroed": lambda content: b"\0" * len(content),
    "flipped header": lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
    "flipped bytes": _flip_across,
    "empty": lambda content: b"",
    "text": lambda content: b"no database\n" * 1000,
    "folder": None,
}
#: Those that show as soon as the file is opened.
AT_ONCE = sorted(set(HARMS) - {"cut to half", "one byte short"})


def harm(path: Path, name: str) -> None:
    change = HARMS[name]
    content = path.read_bytes()
    path.unlink()
    if change is None:
        path.mkdir()
    else:
        path.write_bytes(change(content))


def restore(path: Path, content: bytes) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.write_bytes(content)
