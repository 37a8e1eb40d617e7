"""A JSON body as Python, whatever a service sends: an answer that is none is a fault, no crash.

Python's reader is laxer than the standard where it matters here: it takes half a surrogate pair
for text, which nothing behind it can store, and gives up on deep nesting with an error of its own
kind.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from cbi_pipeline.feeds.errors import (
    FeedError,
    FeedUnavailable,
    IncompleteResponse,
    UnexpectedShape,
)
from cbi_pipeline.feeds.http_status import ask_again, refuse_status
from cbi_pipeline.feeds.source import Answer

#: Half a character may be written here; a whole one beyond the first plane needs two of these.
MAY_BE_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


def decode_json(feed: str, body: bytes, unused: str) -> Any:  # noqa: ANN401
    """What the body says.

    Args:
        feed: name of the feed, for the errors.
        body: the body of an answer.
        unused: what a reader is told to do.

    Raises:
        IncompleteResponse: it breaks off, or is no JSON.
        UnexpectedShape: it is nested too deep to be read, or holds half a character.
    """
    try:
        content = json.loads(body.decode("utf-8-sig"))
        if MAY_BE_HALF.search(body):
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError:
        raise UnexpectedShape(feed, "the answer is nested too deep to be read", unused) from None
    except UnicodeEncodeError:
        raise UnexpectedShape(feed, "the answer holds text that is no Unicode", unused) from None
    except ValueError as error:
        raise IncompleteResponse(
            feed, f"the answer is cut off or no JSON ({error})", unused
        ) from error
    return content


def error_body(body: bytes) -> dict[str, Any]:
    """The object an answer that is no success may hold; empty where it holds none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def common_refusal(feed: str, answer: Answer) -> FeedError | None:
    """What an answer's status and kind mean where the service's own words say nothing better."""
    refused = refuse_status(feed, answer)
    if refused is not None:
        return refused
    host, again = urlsplit(answer.url).hostname, ask_again(answer)
    kind = answer.headers.get("content-type", "")
    if "json" not in kind or answer.body.lstrip()[:1] not in (b"{", b"["):
        return FeedUnavailable(feed, f"{host} answers {kind or 'no type'} in place of JSON", again)
    return None
