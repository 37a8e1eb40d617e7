"""Mask secrets in bytes before anything is written, keeping every other byte where it was."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote, quote_plus

MASK = b"*"


class Masked(NamedTuple):
    """Masked bytes and the (offset, length) of each masked stretch."""

    body: bytes
    spans: tuple[tuple[int, int], ...]


def mask(body: bytes, secrets: Iterable[str]) -> Masked:
    """Overwrite each secret, plain, percent-encoded or base64, with stars of the same length."""
    every = {form for secret in secrets if secret for form in _forms(secret)}
    masked, spans = bytearray(body), []
    # The longest first: a shorter form may be a part of it.
    for form in sorted(every, key=len, reverse=True):
        at = masked.find(form)
        while at >= 0:
            masked[at : at + len(form)] = MASK * len(form)
            spans.append((at, len(form)))
            at = masked.find(form, at + len(form))
    return Masked(bytes(masked) if spans else body, tuple(sorted(spans)))


def _forms(secret: str) -> set[bytes]:
    plain = secret.encode()
    encoded = {quote(secret, safe="").encode(), quote_plus(secret).encode()}
    return {plain, *encoded, *_base64_forms(plain)}


def _base64_forms(plain: bytes) -> set[bytes]:
    # Inside a longer base64 text (user:key) a secret starts at any of three byte alignments;
    # the characters that also carry neighbouring bits are left out.
    forms = set()
    for alignment in range(3):
        padded = base64.b64encode(b"\0" * alignment + plain)
        head = (alignment * 8 + 5) // 6
        tail = len(padded.rstrip(b"=")) - (1 if (alignment + len(plain)) % 3 else 0)
        forms.add(padded[head:tail])
    return {form for form in forms if len(form) >= 8}
