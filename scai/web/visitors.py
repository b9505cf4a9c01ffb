"""Who may come: requests to this server's own names, and from pages that may send them.

**Hosts.** A page of a stranger may give its own host name the address of this server (DNS
rebinding): then the browser takes both for one site, and the page may send and read what it likes.
Only the `Host` header tells. So a name counts if it is known to be ours; a literal address cannot
be rebound.

**Origins.** A browser sends a form or a script's request to any server that it reaches, also to one
on its own machine, whatever page it shows. What changes nothing is answered: the browser lets no
other site read it. What may change something is refused, by the rule of `CrossOriginProtection` in
Go's net/http: `Sec-Fetch-Site`, which browsers send over HTTPS and to loopback, else the host in
`Origin`. Programs such as curl send neither.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

from flask import Flask, Request, request
from flask.wrappers import Response
from werkzeug.sansio.utils import host_is_trusted

from scai.errors import ConfigError, CrossSite, ScaiError, UnknownHost
from scai.settings import Settings
from scai.web import answers, page

# A name that means any; a name that begins with a dot means itself and all names below it.
_ANY = "*"
_NAME = re.compile(r"\.?[^\s.:/@*\[\]]+(\.[^\s.:/@*\[\]]+)*")
# A literal address, with or without a port; browsers write an address of IPv6 in brackets.
_ADDRESS = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?")
# A host, with or without a port.
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:/@\[\],]+))(?::[0-9]{1,5})?")
# Names of the machine itself for every browser, whatever the name servers say (RFC 6761).
_LOOPBACK = (".localhost",)
# Methods that change nothing.
_SAFE = ("GET", "HEAD", "OPTIONS")
_ORIGIN = re.compile(r"https?://[^\s/?#@*]+")
# What pages of allowed sites may send and read, beyond what a browser lets every page do.
_METHODS = "GET, HEAD, POST, PUT, DELETE"
_SENT = "Content-Type, Range, If-None-Match"
_READ = "Retry-After, Content-Disposition, Content-Range, ETag"
# Seconds for which a browser may remember an answer to its question.
_MAX_AGE = "600"


def admit(app: Flask, settings: Settings) -> None:
    """Let `app` answer only those who may come.

    Raises ConfigError for settings that say wrongly who may.
    """
    hosts, origins = KnownHosts(settings), Origins(settings)
    app.config["ADMIN"] = settings.admin

    @app.before_request
    def check() -> Response | None:
        # Itself and not the proxy of Flask's, each look through which costs a microsecond.
        current: Request = request._get_current_object()  # type: ignore[attr-defined]
        try:
            hosts.check(current.environ.get("HTTP_HOST"))
            origins.check(current)
        except ScaiError as error:
            answers.log_refusal(error)
            if isinstance(error, UnknownHost) and answers.wants_page():
                return page.render(
                    "error.html", "error", error.status, code=error.status, error=error
                )
            return answers.send(answers.refusal(error), error.status)
        return origins.preflight(current)

    @app.after_request
    def let_read(response: Response) -> Response:
        return origins.let_read(request, response)


class KnownHosts:
    """The names of this server: of its machine, its setting `host`, and `trusted_hosts`.

    machine: the machine's own name. Raises ConfigError for a setting that is no list of names.
    """

    def __init__(self, settings: Settings, machine: str | None = None) -> None:
        names = [name.lower() for name in re.split(r"[\s,]+", settings.trusted_hosts) if name]
        for name in names:
            if name != _ANY and not _NAME.fullmatch(name) and not _is_address(name):
                raise ConfigError(
                    f"trusted_hosts: expected host names without port, such as photos.lan, "
                    f"got {name!r}"
                )
        self._any = _ANY in names
        short = (socket.gethostname() if machine is None else machine).lower().split(".")[0]
        own = [machine or socket.gethostname(), short, f"{short}.local", settings.host]
        self._names = [*names, *_LOOPBACK, *(name.lower() for name in own if _NAME.fullmatch(name))]

    def check(self, host: str | None) -> None:
        """Raise UnknownHost unless `host`, the header of a request, is one of the names.

        No browser sends a request without that header, or with an empty one.
        """
        if host and not self._any and not self._know(host):
            raise UnknownHost(
                f"this server is not known by the name {host[:80]!r}; "
                "its operator can add the name to the setting trusted_hosts",
                setting="trusted_hosts",
            )

    def _know(self, host: str) -> bool:
        name, colon, port = host.lower().partition(":")
        name = name.removesuffix(".") + colon + port
        return _is_address(name) or host_is_trusted(name, self._names)


class Origins:
    """The sites of the setting `allowed_origins`. Raises ConfigError if it is no list of them."""

    def __init__(self, settings: Settings) -> None:
        origins = [each for each in re.split(r"[\s,]+", settings.allowed_origins.lower()) if each]
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ConfigError(
                    "allowed_origins: expected sites such as https://lab.example or "
                    f"http://lab.example:8080, got {origin!r}"
                )
        self._allowed = frozenset(origins)

    def check(self, request: Request) -> None:
        """Raise CrossSite for a request that may change something, from a page of another site."""
        if request.method in _SAFE or self._allows(request):
            return
        if not is_from_own_page(request):
            origin = _origin_of(request)
            raise CrossSite(
                f"a page of another site, {origin[:80] or 'unknown'}, sent this; "
                "the operator can allow that site by the setting allowed_origins",
                setting="allowed_origins",
            )

    def preflight(self, request: Request) -> Response | None:
        """The answer to a browser that asks what an allowed site may send; None for all others."""
        if request.method != "OPTIONS" or not self._allows(request):
            return None
        if "Access-Control-Request-Method" not in request.headers:
            return None
        answer = Response(status=204)
        answer.headers["Access-Control-Allow-Methods"] = _METHODS
        answer.headers["Access-Control-Allow-Headers"] = _SENT
        answer.headers["Access-Control-Max-Age"] = _MAX_AGE
        return answer

    def let_read(self, request: Request, response: Response) -> Response:
        """Let the pages of allowed sites read an answer; nothing here depends on their cookies."""
        if self._allowed:
            response.vary.add("Origin")
        if self._allows(request):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = _READ
        return response

    def _allows(self, request: Request) -> bool:
        return bool(self._allowed) and _origin_of(request).lower() in self._allowed


def is_from_own_page(request: Request) -> bool:
    """Whether a browser sent a request for a page of this server, or for none; or a program did."""
    site = request.environ.get("HTTP_SEC_FETCH_SITE")
    if site is not None:
        return site in ("same-origin", "none")
    origin = _origin_of(request)
    host = request.environ.get("HTTP_HOST", "").lower()
    # Not the scheme: a proxy may speak HTTPS without saying so.
    return not origin or (host != "" and _host_of(origin) == host)


def _origin_of(request: Request) -> str:
    """The header `Origin`. From the environment, which costs a tenth of `request.headers`."""
    return str(request.environ.get("HTTP_ORIGIN", ""))


def _host_of(origin: str) -> str:
    """Host and port of an origin as a `Host` header has them; "" for "null" and the like."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def is_loopback(address: str) -> bool:
    """Whether an address, or the name localhost, is that of this machine for itself alone."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address.lower() == "localhost"
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def is_loopback_host(host: str) -> bool:
    """Whether `host`, the header of a request, is a loopback address, localhost or below it."""
    match = _HOST.fullmatch(host.lower())
    if match is None:
        return False
    name = (match[1] or match[2]).removesuffix(".")
    return is_loopback(name) or name.endswith(_LOOPBACK)


def _is_address(host: str) -> bool:
    match = _ADDRESS.fullmatch(host)
    if match is None:
        return False
    try:
        ipaddress.ip_address(match[1] or match[2])
    except ValueError:
        return False
    return True
