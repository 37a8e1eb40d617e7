"""What a folder holds, to the byte and the nanosecond."""

import hashlib
from pathlib import Path


def footprint(folder: Path) -> dict[str, tuple[int, str]]:
    """When and with what each file was written; the writer's lock but names who held it last."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, _content(path))
        for path in sorted(folder.rglob("*"))
        if path.name != "writer.lock"
    }


def _content(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
