"""Catalogue files that tests write."""

from pathlib import Path

from cbi_pipeline.catalogue._layers import PACKAGED

#: The catalogue for tests, by its name.
SMALL = Path("small.toml")
#: The catalogue that ships as a file that stands alone: what is cut from it is gone.
ALONE = f'base = "none"\n{PACKAGED.read_text()}'


def write_layer(home: Path, text: str) -> Path:
    """A catalogue file of a home's own, in place of the one that a test wrote before."""
    file = home / "catalogue" / "own.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file
