"""Secrets never reach the disk, whatever form they travel in."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbi_pipeline.ledger import mask

SECRET = "k3y/with+odd=chars&0123456789abcdef"
bodies = st.binary(max_size=200)


@pytest.mark.parametrize(
    "form",
    [
        SECRET.encode(),
        quote(SECRET, safe="").encode(),
        base64.b64encode(SECRET.encode()),
        base64.b64encode(f"{SECRET}:".encode()),
        base64.b64encode(f"user:{SECRET}".encode()),
        base64.b64encode(f"ab{SECRET}tail".encode()),
    ],
)
@given(before=bodies, after=bodies)
def test_every_form_of_a_secret_is_gone_from_the_masked_bytes(
    form: bytes, before: bytes, after: bytes
) -> None:
    masked = mask(before + form + after, [SECRET])
    # The first and last characters of a base64 text may carry neighbouring bits; the rest is gone.
    assert form[3:-6] not in masked.body


@given(before=bodies, after=bodies)
def test_masking_keeps_the_length_and_every_other_byte(before: bytes, after: bytes) -> None:
    body = before + SECRET.encode() + after
    masked = mask(body, [SECRET])
    assert len(masked.body) == len(body)
    hidden = {at for start, length in masked.spans for at in range(start, start + length)}
    assert all(masked.body[at] == body[at] for at in range(len(body)) if at not in hidden)
    assert all(masked.body[at : at + 1] == b"*" for at in hidden)


@given(body=bodies)
def test_bytes_without_a_secret_are_left_alone(body: bytes) -> None:
    assert mask(body, []).body == body
    assert mask(body, [""]).spans == ()
