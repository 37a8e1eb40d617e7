"""What the status of an answer means, whatever it carries."""

from __future__ import annotations

from urllib.parse import urlsplit

from cbi_pipeline.feeds.errors import FeedError, FeedUnavailable, RateLimited, UnexpectedShape
from cbi_pipeline.feeds.source import Answer

_READ_CHANGES = "Compare with the service's documentation; the feed must follow it"


def refuse_status(feed: str, answer: Answer) -> FeedError | None:
    """What a status of 400 and above means where the service's words say nothing better."""
    host = urlsplit(answer.url).hostname
    if answer.status == 429:
        return RateLimited(feed, f"{host} asks us to slow down (429)", ask_again(answer))
    if answer.status >= 500:
        return FeedUnavailable(feed, f"{host} answers {answer.status}", ask_again(answer))
    if answer.status >= 400:
        words = answer.body[:200].decode(errors="replace").strip()
        return UnexpectedShape(
            feed, f"{host} refuses our question ({answer.status}): {words}", _READ_CHANGES
        )
    return None


def ask_again(answer: Answer) -> str:
    """What a person is told of an answer that is no use."""
    return f"Nothing was used; the next run asks {urlsplit(answer.url).hostname} again"
