"""Fetch from files that ship with the project or belong to the user."""

from __future__ import annotations

from cbi_pipeline.feeds import Request
from cbi_pipeline.ingest._engine import Fetched


def read_file(request: Request) -> Fetched:
    """Read the file a request names.

    Raises:
        ValueError: the request names no file.
        FileNotFoundError: the file is gone.
    """
    if request.path is None:
        raise ValueError(f"{request.url} names no file; it needs a network transport")
    return Fetched(body=request.path.read_bytes(), headers=request.headers)
