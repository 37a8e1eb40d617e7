"""Cron lines, as the schedules of feeds are written."""

from __future__ import annotations

#: The five fields with their bounds, and the names that two of them may use.
_FIELDS = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day of month": (1, 31),
    "month": (1, 12),
    "day of week": (0, 7),
}
_NAMES = {
    "month": ("jan feb mar apr may jun jul aug sep oct nov dec", 1),
    "day of week": ("sun mon tue wed thu fri sat", 0),
}


def require_cron(line: str) -> None:
    """Refuse what no schedule could run at.

    Raises:
        ValueError: says which of the five fields is wrong.
    """
    parts = line.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f"{line!r} has {len(parts)} fields, not the five of a cron line")
    for part, (name, bounds) in zip(parts, _FIELDS.items(), strict=True):
        if not all(_is_cron_range(piece, name, bounds) for piece in part.lower().split(",")):
            raise ValueError(f"{line!r}: {part!r} is no {name} ({bounds[0]} to {bounds[1]})")


def _is_cron_range(text: str, name: str, bounds: tuple[int, int]) -> bool:
    span, slash, step = text.partition("/")
    if slash and not (step.isdecimal() and int(step) > 0):
        return False
    if span == "*":
        return True
    ends = [_cron_number(end, name, bounds) for end in span.split("-")]
    if None in ends or len(ends) > 2:
        return False
    return ends == sorted(ends, key=lambda end: end or 0)


def _cron_number(text: str, name: str, bounds: tuple[int, int]) -> int | None:
    names, first = _NAMES.get(name, ("", 0))
    if text in names.split():
        return names.split().index(text) + first
    return int(text) if text.isdecimal() and bounds[0] <= int(text) <= bounds[1] else None
