"""Everything a feed can fail with.

FeedError
├── MissingCredential        no key is set for a feed that needs one
├── RejectedCredential       the service refused the key
├── RateLimited              the service asks us to come back later
├── FeedUnavailable          no usable answer: network, timeout, server fault
├── UnexpectedShape          an answer whose structure cannot be read
├── IncompleteResponse       an answer that is provably not all of it
├── ClockInDoubt             the machine's clock is not the hour of the service or of the ledger
└── ArchiveError             the embedded records
    ├── ArchiveFileMissing       a recorded file is gone
    └── ArchiveChecksumMismatch  a file is not the one recorded

Each names the feed and says what to do. None is ever given a key: callers pass the name of the
setting, never its value.
"""

from __future__ import annotations


class FeedError(Exception):
    """A feed could not deliver.

    Attributes:
        feed: name of the feed.
        problem: what happened.
        remedy: what to do about it.
    """

    def __init__(self, feed: str, problem: str, remedy: str) -> None:
        problem = _escape(problem)
        super().__init__(feed, problem, remedy)
        self.feed = feed
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        """One sentence each for feed, problem and remedy."""
        return f"{self.feed}: {self.problem}. {self.remedy}."


def _escape(text: str) -> str:
    # Problems quote what services say: no terminal, log or page may stumble over it or obey it.
    whole = text.encode(errors="replace").decode()
    return "".join(mark if mark.isprintable() else " " for mark in whole)


class MissingCredential(FeedError):
    """No key is set for a feed that needs one."""


class RejectedCredential(FeedError):
    """The service refused the key that is set."""


class RateLimited(FeedError):
    """The service asks us to come back later."""


class FeedUnavailable(FeedError):
    """No usable answer came: network, timeout or a fault of the server."""


class UnexpectedShape(FeedError):
    """The answer's structure cannot be read, so no row of it can be trusted."""


class IncompleteResponse(FeedError):
    """The answer is provably not the whole of what was asked for."""


class ClockInDoubt(FeedError):
    """What would be written would be dated wrongly, as far as anything can tell."""


class ArchiveError(FeedError):
    """The embedded records are not as recorded."""


class ArchiveFileMissing(ArchiveError):
    """A file of the embedded records is gone."""


class ArchiveChecksumMismatch(ArchiveError):
    """A file of the embedded records is not the one its record describes."""
