"""Text of users and services made safe to look at: nothing in it steers a terminal or a page."""

from __future__ import annotations

import re
import unicodedata

# Marks that reorder what stands beside them, so that a line reads as another than it is.
_DIRECTION = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_MARKS = {"\u061c", "\u200e", "\u200f", "\ufeff"}
_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}
_BEYOND_PLAIN = re.compile(r"[^ -~\n\t]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7e]")


def make_printable(text: str) -> str:
    r"""The text with every control character as its escape, ``\x1b`` for one; lines stay lines.

    Control characters are those of C0, DEL and C1, line and paragraph separators, halves of
    surrogate pairs (names of files that are no text), and marks of direction.
    """
    return _BEYOND_PLAIN.sub(lambda match: _escape_steering(match.group()), text)


def ascii_json(document: str) -> str:
    r"""The same JSON with whatever is beyond ASCII as ``\u`` escapes, DEL as well."""
    return _BEYOND_ASCII.sub(lambda match: _escape_units(match.group()), document)


def _escape_steering(character: str) -> str:
    steers = (
        unicodedata.category(character) in _UNSEEN
        or unicodedata.bidirectional(character) in _DIRECTION
        or character in _MARKS
    )
    return character.encode("unicode_escape").decode() if steers else character


def _escape_units(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))
