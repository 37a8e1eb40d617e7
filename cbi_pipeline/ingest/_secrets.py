"""Keys as the client holds them: opened while a request is signed and while bytes are masked."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from cbi_pipeline.feeds import RejectedCredential
from cbi_pipeline.ledger import mask


def checked_key(feed: str, setting: str, secret: SecretStr | None) -> SecretStr | None:
    """The key without surrounding blanks; None when it is not set or empty.

    Raises:
        RejectedCredential: it holds characters that no key has.
    """
    if secret is None or not (key := secret.get_secret_value().strip()):
        return None
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise RejectedCredential(
            feed, f"{setting} holds blanks or characters no key has", f"Copy {setting} again"
        )
    return SecretStr(key)


def spellings(secret: SecretStr | None) -> tuple[str, ...]:
    """Every way a service may spell the key back to us, beyond those the ledger knows."""
    if secret is None:
        return ()
    key = secret.get_secret_value()
    encoded = {quote(key, safe=""), quote_plus(key), quote(key)}
    escaped = {json.dumps(key)[1:-1], json.dumps(key)[1:-1].replace("/", "\\/")}
    return tuple(sorted({key} | encoded | {one.lower() for one in encoded} | escaped))


def redacted(text: str, secrets: tuple[str, ...]) -> str:
    """The text with every spelling of the secrets masked."""
    return mask(text.encode(), secrets).body.decode(errors="replace")
