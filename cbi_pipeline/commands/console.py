"""What every command prints with, and the errors that end in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from cbi_pipeline.printable import make_printable


class PlainConsole(Console):
    """A console that prints text as it stands, and shows what would steer a terminal.

    Values, names and reasons come from users and services. They may hold brackets or colons, which
    Rich would read as styles and emoji, and escape sequences, which a terminal would obey.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  (handed on to Rich)
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401
        """Plain text, made printable before it is measured and broken into lines."""
        return super().render_str(make_printable(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Segments whose only escape sequences are Rich's own."""
        for segment in super().render(renderable, options):
            shown = segment.text if segment.control else make_printable(segment.text)
            yield segment._replace(text=shown)


# Tables keep their shape when the output goes to a file.
console = PlainConsole(width=None if sys.stdout.isatty() else 120)
errors = PlainConsole(stderr=True, soft_wrap=True)

#: By package, the error whose message is the whole answer of a command that ends with it.
EXPECTED_ERRORS = {
    "cbi_pipeline.settings": "SettingsError",
    "cbi_pipeline.warehouse": "WarehouseError",
    "cbi_pipeline.feeds": "FeedError",
    "cbi_pipeline.catalogue": "CatalogueError",
    "cbi_pipeline.registry": "RegistryError",
    "cbi_pipeline.ledger": "LedgerDamaged",
    "cbi_pipeline.ingest": "RebuildRefused",
    "cbi_pipeline.issued": "LedgerBroken",
    "cbi_pipeline.operations.try_recipe": "NothingToForecast",
    "data_contracts.rights": "TrainingForbidden",
}


class Refusal(Exception):
    """The command cannot go on before the user does something; the message says what."""


@contextmanager
def refuse_unwritable(path: Path) -> Iterator[None]:
    """Around what writes to a path of the user's alone: what the system refuses there is said.

    Raises:
        Refusal: in place of an OSError; names the path.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise Refusal(
            f"{path} cannot be written: {why}; choose a place that you may write to"
        ) from error


def explain(message: str, *, code: int) -> int:
    """Print one line to stderr and hand back the exit code."""
    errors.print("cbi: " + " ".join(message.split()))
    return code


def expected_errors() -> tuple[type[Exception], ...]:
    """Errors whose message is written for the user.

    Only packages that are loaded can have raised one, so none is imported for this; one that an
    error has stopped half way may not have its own yet.
    """
    return tuple(
        getattr(sys.modules[module], name)
        for module, name in EXPECTED_ERRORS.items()
        if module in sys.modules and hasattr(sys.modules[module], name)
    )
