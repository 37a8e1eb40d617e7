"""What every command prints with, and the errors that end in one line."""

from __future__ import annotations

import sys

from rich.console import Console

# Tables keep their shape when the output goes to a file.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


class Refusal(Exception):
    """The command cannot go on before the user does something; the message says what."""


def explain(message: str, *, code: int) -> int:
    """Print one line to stderr and hand back the exit code."""
    errors.print("cbi: " + " ".join(message.split()), markup=False)
    return code


def expected_errors() -> tuple[type[Exception], ...]:
    """Errors whose message is written for the user.

    Only packages that are loaded can have raised one, so none is imported for this.
    """
    wanted = {
        "cbi_pipeline.warehouse": ("WarehouseError",),
        "cbi_pipeline.feeds": ("FeedError",),
        "cbi_pipeline.catalogue": ("CatalogueError",),
        "cbi_pipeline.registry": ("RegistryError",),
        "cbi_pipeline.ledger": ("LedgerDamaged",),
        "cbi_pipeline.ingest": ("RebuildRefused",),
        "cbi_pipeline.issued": ("LedgerBroken",),
    }
    return tuple(
        getattr(sys.modules[module], name)
        for module, names in wanted.items()
        if module in sys.modules
        for name in names
        if hasattr(sys.modules[module], name)
    )
