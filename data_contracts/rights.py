"""What a rights label allows: whether a model may be trained on a series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: Labels under which a model may be trained. Any other forbids it, one nobody thought of as well.
TRAINABLE = frozenset({"public-domain", "attribution", "no-redistribution"})


class TrainingForbidden(ValueError):
    """A followed series may not be trained on; the message names each with its label."""


def require_trainable(followed: Iterable[str], rights: Mapping[str, str]) -> None:
    """Stop when a model would be trained on a series that forbids it.

    Args:
        followed: series whose values reach the model, as price or as driver.
        rights: rights label by series id, as ``ref.series`` has it. A followed series without one
            was never ingested, so nothing of it can be trained on.

    Raises:
        TrainingForbidden: names every such series with its label.
    """
    forbidden = [
        f"{name} ({rights[name]})"
        for name in sorted(set(followed) & set(rights))
        if rights[name] not in TRAINABLE
    ]
    if forbidden:
        raise TrainingForbidden(
            f"no model may be trained on {', '.join(forbidden)}: its rights label forbids it. "
            "Follow another series in its place; if its owner allows training, say so in its label"
        )
