"""The client: signed, paced, bounded in time and size, retrying only where that helps."""

from __future__ import annotations

import logging
import math
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpx
import stamina
from pydantic import SecretStr
from pyrate_limiter import Duration, Limiter, Rate
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from cbi_pipeline.feeds import (
    Answer,
    FeedError,
    FeedUnavailable,
    IncompleteResponse,
    MissingCredential,
    RateLimited,
    RejectedCredential,
    Source,
)
from cbi_pipeline.ingest._conditions import (
    NOT_MODIFIED,
    confirm,
    is_unchanged,
    make_conditions,
)
from cbi_pipeline.ingest._incidents import turn_into_faults
from cbi_pipeline.ingest._transport import (
    ACCEPTED,
    BodyTooLarge,
    BodyUnreadable,
    Deadline,
    SigningTransport,
    describe_unreachable,
    find_failed_lookup,
    list_spellings,
    open_network,
    redact,
    require_key,
    unpack_body,
)

_LOG = logging.getLogger(__name__)
_KEPT_HEADERS = ("content-type", "date", "age", "last-modified", "etag", "retry-after")
_REDIRECTS = 3


def _log_retry(details: RetryDetails) -> None:
    _LOG.info("%s; asked again in %.1f s", details.caused_by, details.wait_for)


# The library's own hook prints to stdout, which belongs to whoever runs the command.
set_on_retry_hooks([_log_retry])


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often one request may try; times in seconds, sizes in bytes.

    Attributes:
        connect: until a connection stands.
        read: between two pieces of an answer.
        total: for one request with all its retries, from the first byte sent to the last read.
        pull: for one pull with all its pages and whatever is asked to prove them whole.
        attempts: tries at most.
        first_wait: before the first retry; doubles, with jitter.
        longest_wait: between two tries; a service that asks for longer is left alone tonight.
        size: most bytes of one answer, as they come and unpacked.
    """

    connect: float = 10.0
    read: float = 30.0
    total: float = 180.0
    pull: float = 1800.0
    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0
    size: int = 128 * 2**20


class _Retry(Exception):
    """A failure that another try may cure, with the error to raise when none does.

    Attributes:
        wait: seconds the service asks us to wait; None leaves that to us.
        hopeless: another try would come to the same.
    """

    def __init__(
        self,
        error: FeedError,
        answer: Answer | None,
        wait: float | None,
        *,
        hopeless: bool = False,
    ) -> None:
        super().__init__(error.problem)
        self.error, self.answer, self.wait, self.hopeless = error, answer, wait, hopeless


class Client:
    """Asks a source's service.

    Args:
        feed: the feed, for its dialect.
        secret: its key.
        patience: bounds of time and size.
        transport: seam for tests; the network by default.

    Raises:
        MissingCredential: the feed needs a key and none is set.
        RejectedCredential: the key holds characters no key has.
    """

    def __init__(
        self,
        feed: Source,
        secret: SecretStr | None,
        patience: Patience | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._feed, self._service = feed, feed.asked
        self._patience = patience or Patience()
        self._deadline = Deadline()
        self._inner = transport or open_network(self._service.base, self._deadline)
        self._limiter = Limiter(Rate(self._service.per_second, Duration.SECOND))
        self._secret = self._require_key(secret)
        self._spellings = list_spellings(self._secret)
        self._lookups_failed = 0
        self.notices: list[str] = []
        self._open()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close its connections."""
        self._http.close()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Spellings to mask before anything is written."""
        return self._spellings

    def get(
        self, url: str, until: float = math.inf, earlier: Answer | None = None
    ) -> tuple[Answer, FeedError | None]:
        """The final answer to a request, and what is wrong with it, if anything.

        Args:
            url: what to ask.
            until: nothing is read later than this, on the clock of ``time.monotonic``.
            earlier: what this address gave before. Where the service says that it has not changed
                since, the answer is of status 304 and has its body.

        Raises:
            FeedError: no answer came at all.
        """
        answer, error = self._try(url, until, earlier)
        if isinstance(error, RejectedCredential) and self._has_optional_key():
            setting = self._service.credential.setting if self._service.credential else ""
            self.notices.append(
                f"{self._feed.name}: the service refused {setting}; went on without it. "
                f"Correct or remove {setting}."
            )
            self._secret = None
            self._open()
            answer, error = self._try(url, until, earlier)
        return answer, error

    def _require_key(self, secret: SecretStr | None) -> SecretStr | None:
        credential = self._service.credential
        if credential is None:
            return None
        key = require_key(self._feed.name, credential.setting, secret)
        if key is None and credential.required:
            raise MissingCredential(
                self._feed.name,
                f"{credential.setting} is not set",
                f"Get a key at {credential.obtain} and put {credential.setting}=... into .env",
            )
        return key

    def _has_optional_key(self) -> bool:
        credential = self._service.credential
        return credential is not None and not credential.required and self._secret is not None

    def _open(self) -> None:
        patience = self._patience
        self._http = httpx.Client(
            transport=SigningTransport(self._inner, self._service.credential, self._secret),
            timeout=httpx.Timeout(patience.read, connect=patience.connect),
            headers={
                "User-Agent": "cbi-pipeline",
                "Accept": "*/*" if self._service.has_files else "application/json",
                "Accept-Encoding": ACCEPTED,
            },
        )

    @property
    def patience(self) -> Patience:
        """Its bounds of time and size."""
        return self._patience

    def _try(
        self, url: str, until: float, earlier: Answer | None
    ) -> tuple[Answer, FeedError | None]:
        self._deadline.at = min(time.monotonic() + self._patience.total, until)
        failed: _Retry | None = None
        try:
            for attempt in stamina.retry_context(
                on=self._wait,
                attempts=self._patience.attempts,
                timeout=self._patience.total,
                wait_initial=self._patience.first_wait,
                wait_max=self._patience.longest_wait,
                wait_jitter=self._patience.first_wait,
            ):
                with attempt:
                    return self._ask(url, earlier)
        except _Retry as error:
            failed = error
        # Raised outside the handler: a chained exception could show what it was given.
        assert failed is not None
        if failed.answer is None:
            raise failed.error
        return failed.answer, failed.error

    def _wait(self, error: Exception) -> bool | float:
        if not isinstance(error, _Retry) or error.hopeless:
            return False
        if error.wait is None:
            return True
        in_time = error.wait < self._deadline.count_down()
        return error.wait if in_time and error.wait <= self._patience.longest_wait else False

    def _ask(self, url: str, earlier: Answer | None) -> tuple[Answer, FeedError | None]:
        answer = self._follow(url, make_conditions(earlier))
        if earlier is not None and answer.status == NOT_MODIFIED:
            if is_unchanged(answer, earlier):
                return confirm(answer, earlier), None
            # It speaks of other bytes than those we asked about.
            answer = self._follow(url, {})
        with turn_into_faults(self._feed.name, self._spellings):
            error = self._service.refusal(answer)
        if error is None:
            return answer, None
        error = type(error)(error.feed, redact(error.problem, self._spellings), error.remedy)
        if isinstance(error, RateLimited) or (
            isinstance(error, FeedUnavailable) and answer.status >= 500
        ):
            raise _Retry(error, answer, _read_retry_after(answer.headers))
        return answer, error

    def _follow(self, url: str, conditions: Mapping[str, str]) -> Answer:
        origin, target = urlsplit(url), url
        for _ in range(_REDIRECTS):
            answer, location = self._send(target, url, conditions)
            if location is None:
                return answer
            try:
                target = urljoin(target, location)
                parts = urlsplit(target)
            except ValueError:
                raise self._make_error("the service redirects to what is no address") from None
            if (parts.scheme, parts.netloc) != (origin.scheme, origin.netloc):
                raise self._make_error(f"the service redirects to another host, {parts.hostname}")
        raise self._make_error("the service redirects in a circle")

    def _send(
        self, target: str, url: str, conditions: Mapping[str, str]
    ) -> tuple[Answer, str | None]:
        self._limiter.try_acquire(self._feed.name)
        hopeless = False
        try:
            with self._http.stream("GET", target, headers=conditions) as response:
                location = response.headers.get("location") if response.is_redirect else None
                body = self._read_body(response)
                self._lookups_failed = 0
                return Answer(
                    url, response.status_code, _keep_headers(response.headers), body
                ), location
        except (FeedError, _Retry):
            raise
        except httpx.TimeoutException as error:
            problem = f"no answer in time ({type(error).__name__})"
        except Exception as error:
            # Whatever a transport raises may quote the signed address, and Dagster keeps errors.
            problem = redact(describe_unreachable(error, self._service.base), self._spellings)
            hopeless = self._is_hopeless(error)
        raise _Retry(self._make_error(problem), None, None, hopeless=hopeless)

    def _is_hopeless(self, error: Exception) -> bool:
        failed = find_failed_lookup(error)
        if failed is None:
            return False
        # A name server that could not answer is asked once more; where none is there at all every
        # further try would wait for nothing.
        self._lookups_failed += 1
        return failed.errno != socket.EAI_AGAIN or self._lookups_failed > 1

    def _read_body(self, response: httpx.Response) -> bytes:
        codings = response.headers.get("content-encoding", "")
        try:
            return unpack_body(
                response.iter_raw(), codings, self._patience.size, self._require_time
            )
        except BodyTooLarge:
            raise IncompleteResponse(
                self._feed.name,
                f"an answer is larger than {self._patience.size} bytes",
                "Nothing of it was used; ask for shorter windows",
            ) from None
        except BodyUnreadable as error:
            raise _Retry(self._make_error(f"an answer {error}"), None, None) from error

    def _require_time(self) -> None:
        if self._deadline.count_down() <= 0:
            raise self._make_error("the answer did not end in time")

    def _make_error(self, problem: str) -> FeedUnavailable:
        host = urlsplit(self._service.base).hostname
        return FeedUnavailable(
            self._feed.name, problem, f"Nothing was used; the next run asks {host} again"
        )


def _keep_headers(headers: httpx.Headers) -> Mapping[str, str]:
    return {
        name.lower(): value
        for name, value in headers.items()
        if name.lower() in _KEPT_HEADERS or name.lower().startswith("x-soda2-")
    }


def _read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the service asks us to wait; None where its header says neither number nor date."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (at - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
