"""Environments that have the libraries and no way to this project."""

import subprocess
import sys
from pathlib import Path


def make_stranger(folder: Path, *further: Path) -> Path:
    """The Python of an environment that borrows what is installed here, but for this project.

    What is installed in further folders is borrowed as well.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # What a folder named here says of further folders, such as that of the project, is not read.
    borrowed = [place for place in sys.path if place.endswith("site-packages")]
    borrowed += map(str, further)
    (packages / "borrowed.pth").write_text("\n".join(borrowed))
    return folder / "bin" / "python"
