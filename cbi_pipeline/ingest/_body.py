"""The body of an answer, unpacked piece by piece: never more of it in memory than may be kept.

A few kilobytes can unpack to gigabytes, and packed once more they fit a kilobyte; a stream can go
on for ever and unpack to nothing. So the limit holds for what arrives and for what every layer of
packing gives, and the deadline is looked at with each piece of either.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator

#: What a request offers to unpack; any other coding is refused.
ACCEPTED = "gzip, deflate"
_PIECE = 2**16
#: A service packs once; a proxy on the way might do so again.
_LAYERS = 2


class BodyTooLarge(Exception):
    """More bytes than may be kept, as they came or unpacked."""


class BodyUnreadable(Exception):
    """Bytes that do not unpack as the answer says they do."""


def unpack_body(
    raw: Iterable[bytes], codings: str, limit: int, check_time: Callable[[], None]
) -> bytes:
    """The body of an answer as its service wrote it.

    Args:
        raw: the bytes as they come.
        codings: value of its ``Content-Encoding``.
        limit: most bytes of the body, and of every step on the way to it.
        check_time: called with every piece; raises when time is up.

    Raises:
        BodyTooLarge: the limit is passed; nothing beyond it was unpacked.
        BodyUnreadable: the coding was not offered, or the bytes do not keep it.
    """
    pieces = _within(raw, limit, check_time)
    for name in reversed(_names(codings)):
        pieces = _within(_inflated(pieces, name), limit, check_time)
    return b"".join(pieces)


def _names(codings: str) -> list[str]:
    names = [name.strip().lower().removeprefix("x-") for name in codings.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    strange = [name for name in names if name not in ("gzip", "deflate")]
    if strange:
        raise BodyUnreadable(f"packed as {strange[0][:40]!r}, which was not asked for")
    if len(names) > _LAYERS:
        raise BodyUnreadable(f"packed {len(names)} times over")
    return names


def _within(pieces: Iterable[bytes], limit: int, check_time: Callable[[], None]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        check_time()
        size += len(piece)
        if size > limit:
            raise BodyTooLarge
        yield piece


def _inflated(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    packer: zlib._Decompress | None = None
    for piece in pieces:
        rest, full = piece, False
        while rest or full:
            if packer is None or packer.eof:
                packer = zlib.decompressobj(_window(name, rest))
            try:
                plain = packer.decompress(rest, _PIECE)
            except zlib.error as error:
                raise BodyUnreadable(f"no valid {name} ({error})") from error
            # An empty piece is passed on too: whoever counts time has to hear of it.
            yield plain
            rest, full = packer.unconsumed_tail or packer.unused_data, len(plain) == _PIECE
            full = full and not packer.eof
    if packer is not None and not packer.eof:
        raise BodyUnreadable(f"{name} that breaks off")


def _window(name: str, begin: bytes) -> int:
    if name == "gzip":
        return zlib.MAX_WBITS | 16
    # Half the servers of the world leave out the two bytes that mark a zlib stream.
    return zlib.MAX_WBITS if begin[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
