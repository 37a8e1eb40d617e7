"""Plots are files that events link to, drawn when their figures are new."""

import polars as pl
import pytest

from cbi_pipeline.defs.plots import KEPT, Plots

PNG = b"\x89PNG\r\n\x1a\n"
FIGURES = pl.DataFrame({"session": [1, 2], "price": [3.0, None]})


class Drawing:
    """Draws, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> bytes:
        self.count += 1
        return PNG


@pytest.fixture
def plots(tmp_path) -> Plots:
    return Plots(tmp_path / "plots")


def files(plots: Plots) -> list[str]:
    return sorted(path.relative_to(plots.folder).as_posix() for path in plots.folder.rglob("*.png"))


def test_an_event_holds_a_link_to_the_file(plots):
    text = plots.show("price/wti", "WTI", FIGURES, Drawing()).md_str
    (name,) = files(plots)
    assert name.startswith("price/wti/")
    assert text == f"![WTI](/cbi/plots/{name})\n\n`plots/{name}`"
    assert (plots.folder / name).read_bytes() == PNG


def test_the_same_figures_are_drawn_once(plots):
    draw = Drawing()
    first, second = (plots.show("price/wti", "WTI", FIGURES, draw) for _ in range(2))
    assert first == second
    assert draw.count == 1


def test_other_figures_are_drawn_beside(plots):
    draw = Drawing()
    plots.show("price/wti", "WTI", FIGURES, draw)
    plots.show("price/wti", "WTI", FIGURES.with_columns(price=4.0), draw)
    assert draw.count == len(files(plots)) == 2


def test_the_newest_of_a_subject_are_kept_and_other_subjects_left_alone(plots):
    plots.show("price/brent", "Brent", FIGURES, Drawing())
    shown = [
        plots.show("price/wti", "WTI", FIGURES.with_columns(price=float(n)), Drawing()).md_str
        for n in range(KEPT + 2)
    ]
    kept = [name for name in files(plots) if name.startswith("price/wti/")]
    assert len(kept) == KEPT
    assert {text.split("`plots/")[1].rstrip("`") for text in shown[2:]} == set(kept)
    assert len(files(plots)) == KEPT + 1


def test_a_plot_that_cannot_be_drawn_is_said_and_leaves_no_file(plots):
    def fail() -> bytes:
        raise ValueError("no <font>")

    text = plots.show("price/wti", "WTI", FIGURES, fail).md_str
    assert text == r"WTI: not drawn (ValueError: no \<font\>)"
    assert not files(plots)


def test_a_plot_that_is_drawn_already_is_kept_by_its_bytes(plots):
    first, second = (plots.show_image("curve/tiny", "tiny", PNG) for _ in range(2))
    assert first == second
    assert len(files(plots)) == 1
