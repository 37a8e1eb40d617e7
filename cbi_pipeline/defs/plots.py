"""Plots as files of the home, which events link to.

A file is named by the figures that it draws, so what was drawn once is not drawn again, and an
event holds one line where the picture itself would be a hundred kilobytes in Dagster's database.
``cbi ui`` shows the files beside Dagster's pages.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl

from cbi_pipeline.defs.metadata import quote_text
from cbi_pipeline.durable import write_durably
from cbi_pipeline.links import link_plot

#: Plots of one subject that are kept, the newest; older events then show their title alone.
KEPT = 30


@dataclass(frozen=True)
class Plots:
    """The plots of a home.

    Attributes:
        folder: of the plots, with a folder for each subject.
    """

    folder: Path

    def show(
        self, subject: str, title: str, figures: pl.DataFrame, draw: Callable[[], bytes]
    ) -> dg.MarkdownMetadataValue:
        """Link to the plot of some figures, drawn if they are new; or say why there is none.

        No table is worse for a picture that cannot be drawn.

        Args:
            subject: what is drawn, as a path: ``price/wti``.
            title: for people.
            figures: all that the plot is drawn from.
            draw: gives a PNG image.
        """
        content = figures.write_csv().encode()
        try:
            name = self._keep(subject, content, draw)
        except Exception as error:
            words = f"not drawn ({type(error).__name__}: {error})"
            return dg.MetadataValue.md(quote_text(f"{title}: {words}"))
        return _link(title, name)

    def show_image(self, subject: str, title: str, png: bytes) -> dg.MarkdownMetadataValue:
        """Link to a plot that is drawn already."""
        return _link(title, self._keep(subject, png, lambda: png))

    def _keep(self, subject: str, content: bytes, draw: Callable[[], bytes]) -> str:
        name = f"{subject}/{hashlib.sha256(content).hexdigest()[:16]}.png"
        path = self.folder / name
        if path.is_file():
            os.utime(path)  # it is the newest again
        else:
            write_durably(path, draw())
            _drop_old(path.parent)
        return name


def _link(title: str, name: str) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(f"![{quote_text(title)}]({link_plot(name)})\n\n`plots/{name}`")


def _drop_old(folder: Path) -> None:
    newest_first = sorted(folder.glob("*.png"), key=lambda path: path.stat().st_mtime_ns)[::-1]
    for path in newest_first[KEPT:]:
        path.unlink()
