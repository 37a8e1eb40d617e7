"""Which version of the product writes a file, and how a file that names none is spoken of."""

from typing import TypeAlias

VERSION = "0.1.0"
"""Of the product, as in the package above, which a registered version does not carry along."""

Writer: TypeAlias = "dict[str, str | None]"


def product() -> str:
    """Name and version of the product."""
    return f"cbi-pipeline {VERSION}"


def writer(commit: str | None = None) -> Writer:
    """What a file says of the version that wrote it.

    Args:
        commit: git commit of the checkout, where that is known.
    """
    return {"product": product(), "commit": commit}


def describe_writer(named: object) -> str:
    """A file's writer in words; `named` is what `writer` gave, or none in an older file."""
    written = named if isinstance(named, dict) else {}
    product = (
        written.get("product") or "a version of cbi-pipeline that did not yet say which it was"
    )
    commit = written.get("commit")
    return f"{product}, commit {commit}" if commit else str(product)
