"""What a failed step or run has to say, out of the errors that Dagster wraps around it."""

from __future__ import annotations

import re

from dagster_shared.error import SerializableErrorInfo

_OWN_NAME = re.compile(r"^(cbi_pipeline\.|data_contracts\.|dagster\.[\w.]+\.Failure\b)[\w.]*: ")


def cause_of(error: SerializableErrorInfo | None) -> str:
    """The words of the product's own error, or of the first of the chained errors.

    Our own errors say in words what happened and what to do, whatever they were raised from; of
    any other its name is half of what it says. A ``dagster.Failure`` is raised by us alone.
    """
    words = "failed without an error"
    while error is not None:
        words = error.message.strip()
        if _OWN_NAME.match(words):
            return _OWN_NAME.sub("", words)
        error = error.cause
    return words
