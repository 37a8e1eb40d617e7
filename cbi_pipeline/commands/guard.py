"""A guard before the pages: who may ask what of servers that ask nobody for a name or password.

Every page that a browser on this machine has open can send requests to the machine's own servers.
Three things tell such a request from one of the pages themselves:

- ``Host`` is the name that the browser believes it talks to. A site that lets its own name point
  at this machine (DNS rebinding) cannot hide that name: any but an allowed one is refused with 400.
- ``Origin`` and ``Sec-Fetch-Site`` (without both, ``Referer``) say which page asks. What another
  page asks is refused with 403, another port of this machine included; it may only link here.
- A GraphQL document in a GET changes nothing, whoever sends it: 405.

Programs send none of these but ``Host``, and may do everything. The rules are those of
https://web.dev/articles/fetch-metadata and RFC 9110, section 7.2.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_NAME = r"\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9_-]|\.(?=[a-z0-9_-]))*"
_AUTHORITY = re.compile(rf"({_NAME})\.?(?::([0-9]{{1,5}}))?", re.ASCII | re.IGNORECASE)
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#]*)([^?#]*)", re.ASCII | re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}
_SECURE = {"https", "wss"}
_READING = {"GET", "HEAD"}

_log = logging.getLogger(__name__)


class Address(NamedTuple):
    """A host by name or number, in lower case, and the port that was written behind it."""

    name: str
    port: int | None


LOOPBACK = (Address("localhost", None), Address("127.0.0.1", None), Address("[::1]", None))


def parse_address(text: str) -> Address | None:
    """Read ``name`` or ``name:port`` as it stands in ``Host``; None when it is neither.

    A dot at the end, which says that the name is whole, does not make it another one.
    """
    matched = _AUTHORITY.fullmatch(text)
    if matched is None:
        return None
    name, port = matched[1].lower(), matched[2]
    if name.startswith("["):
        try:
            name = f"[{ipaddress.IPv6Address(name[1:-1]).compressed}]"
        except ValueError:
            return None
    if port is not None and not 0 < int(port) < 65536:
        return None
    return Address(name, int(port) if port else None)


@dataclass(frozen=True, slots=True)
class Rejection:
    """An answer in place of the page's own."""

    status: int
    reason: str


_HOST = Rejection(400, "this host is not allowed; see the option --allowed-host of `cbi ui`")
_PAGE = Rejection(403, "another page may only link here")
_QUERY = Rejection(400, "the query cannot be read")
_CHANGE = Rejection(405, "what changes something is sent by POST")


class Guard:
    """An ASGI application that hands on to another what its rules allow.

    Args:
        app: the pages.
        allowed: hosts besides the loopback names; one without a port is allowed with any, since a
            tunnel ends where its user likes.
    """

    def __init__(self, app: Application, allowed: Iterable[Address] = ()) -> None:
        self._app = app
        self._allowed = frozenset((*LOOPBACK, *allowed))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        scope, named = _by_path(scope)
        rejection = self._judge(scope, named)
        if rejection is None:
            await self._app(scope, receive, _forbid_frames(send))
            return
        asked = scope.get("method", scope["type"]), scope["path"]
        _log.warning("%d to %s %r: %s", rejection.status, *asked, rejection.reason)
        await _answer(scope, send, rejection)

    def _judge(self, scope: Scope, named: list[str]) -> Rejection | None:
        host = self._host(_headers(scope, "host"), named)
        if host is None:
            return _HOST
        foreign = _is_foreign(scope, host)
        # A websocket has no method, and can do what a POST can.
        if scope.get("method") not in _READING:
            return _PAGE if foreign else None
        changing = _judge_document(scope)
        if foreign:
            return _PAGE if changing or not _is_link(scope) else None
        return changing

    def _host(self, written: list[str], named: list[str]) -> Address | None:
        """The host that is asked for, if there is exactly one and it is allowed."""
        hosts = {parse_address(text) for text in (*written, *named)}
        host = hosts.pop() if len(written) == len(hosts) == 1 else None
        allowed = host and {host, Address(host.name, None)} & self._allowed
        return host if allowed else None


def _by_path(scope: Scope) -> tuple[Scope, list[str]]:
    """A request by path alone, and the host if its target was a whole address, as to a proxy."""
    target = _URL.match(scope["raw_path"].decode("latin-1"))
    if target is None:
        return scope, []
    path = target[3] or "/"
    return {**scope, "path": unquote(path), "raw_path": path.encode("latin-1")}, [target[2]]


def _headers(scope: Scope, name: str) -> list[str]:
    return [
        text.decode("latin-1").strip() for key, text in scope["headers"] if key == name.encode()
    ]


def _is_foreign(scope: Scope, host: Address) -> bool:
    """Whether the request says of itself that another page sent it."""
    scheme = "https" if scope["scheme"] in _SECURE else "http"
    own = (scheme, host.name, host.port or _PORTS[scheme])
    origins, sites = _headers(scope, "origin"), _headers(scope, "sec-fetch-site")
    if not origins and not sites:
        origins = _headers(scope, "referer")
    return any(_origin(text) != own for text in origins) or any(
        site not in {"same-origin", "none"} for site in sites
    )


def _origin(url: str) -> tuple[str, str, int] | None:
    parts = _URL.match(url)
    if parts is None or (scheme := parts[1].lower()) not in _PORTS:
        return None
    address = parse_address(parts[2])
    return address and (scheme, address.name, address.port or _PORTS[scheme])


def _is_link(scope: Scope) -> bool:
    """Whether following it opens a page in a tab of its own, not inside the page that asks."""
    if scope["type"] != "http" or _headers(scope, "origin"):
        return False
    if not _headers(scope, "sec-fetch-site"):
        return True  # a browser that says no more than where it comes from
    kinds = _headers(scope, "sec-fetch-mode"), _headers(scope, "sec-fetch-dest")
    return kinds == (["navigate"], ["document"])


def _judge_document(scope: Scope) -> Rejection | None:
    """Refuse a GraphQL document in an address, unless it only reads."""
    if "graphql" not in scope["path"].lower().split("/"):
        return None
    fields = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    try:
        reads = all(_only_reads(text) for name, text in fields if name == "query")
    except (ValueError, RecursionError):
        return _QUERY
    return None if reads else _CHANGE


def _only_reads(text: str) -> bool:
    from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse

    try:
        document = parse(text)
    except GraphQLError as error:
        raise ValueError(error.message) from error
    return all(
        definition.operation is OperationType.QUERY
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    )


def _forbid_frames(send: Send) -> Send:
    """Let no other page show this one inside itself, where a click would be led astray."""

    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            if all(key.lower() != b"x-frame-options" for key, _ in headers):
                headers.append((b"x-frame-options", b"SAMEORIGIN"))
            message = {**message, "headers": headers}
        await send(message)

    return send_guarded


async def _answer(scope: Scope, send: Send, rejection: Rejection) -> None:
    # The server answers a websocket's opening as it would any request.
    kind = "http" if scope["type"] == "http" else "websocket.http"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    if rejection.status == 405:
        headers.append((b"allow", b"POST"))
    await send({"type": f"{kind}.response.start", "status": rejection.status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": f"{rejection.reason}\n".encode()})
