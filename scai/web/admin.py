"""The administrator of this server: whoever sits at its machine.

A proxy on the same machine lends its address to every stranger, so any sign of one counts. A mere
forwarder of TCP (socat, ssh -R) adds no header, but leaves `Host` as the browser sent it, which is
not loopback. Who leaves no sign cannot be told from a browser here: see docs/operations.md.
"""

from __future__ import annotations

from flask import Request, current_app

from scai.errors import Forbidden
from scai.web.visitors import is_from_own_page, is_loopback, is_loopback_host

# Headers by which proxies tell for whom they ask, in lower case.
_FORWARDING = (
    *("forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"),
    *("client-ip", "x-cluster-client-ip", "x-original-forwarded-for", "x-envoy-external-address"),
)


def is_admin(request: Request) -> bool:
    """Whether a request comes from this machine itself, and from no page of another site.

    Never, unless the setting `admin` is "local". Behind a proxy nobody is local: a request with any
    header of a proxy is not. Nor is one to any host but loopback, whatever `trusted_hosts` says.
    """
    config = current_app.config
    names = [name.lower() for name in request.headers.keys()]
    return (
        config["ADMIN"] == "local"
        and is_loopback(request.remote_addr or "")
        # Browsers speak HTTP/1.1; to the servers behind them, many proxies still speak 1.0.
        and request.environ.get("SERVER_PROTOCOL") != "HTTP/1.0"
        and not any(name in _FORWARDING or name.startswith("x-forwarded") for name in names)
        and is_loopback_host(request.environ.get("HTTP_HOST", ""))
        and is_from_own_page(request)
    )


def require(request: Request) -> None:
    """Raise Forbidden unless `is_admin`."""
    if not is_admin(request):
        raise Forbidden(
            "only a browser on the server's own machine may do this, at localhost, without a proxy",
            setting="admin",
        )
