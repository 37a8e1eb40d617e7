"""Where a feed reads what its service sent: whatever it stumbles over is a fault of that feed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cbi_pipeline.feeds import FeedError, UnexpectedShape
from cbi_pipeline.ingest._secrets import redacted

_LONGEST = 300


@contextmanager
def reading(feed: str, secrets: tuple[str, ...] = ()) -> Iterator[None]:
    """Turn any exception of a block that reads an answer into a fault with the feed's name.

    A service, or somebody on the way to it, may send what nobody thought of. The other pulls and
    feeds of a night must not end with it.

    Args:
        feed: name of the feed.
        secrets: spellings to mask, where the answer may still hold the key.

    Raises:
        FeedError: the block raised it.
        UnexpectedShape: the block raised anything else.
    """
    try:
        yield
    except FeedError:
        raise
    except Exception as error:
        words = redacted(_words(error), secrets)[:_LONGEST]
        raise UnexpectedShape(
            feed,
            f"the answer cannot be read ({words})",
            "Nothing of it was used. `cbi feeds parse` reads a recorded answer by itself",
        ) from None


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".encode(errors="replace").decode()
