"""Who administers this server: whoever sits at its machine."""

from __future__ import annotations

from flask import Request, current_app

from scai.web.visitors import KnownHosts, is_from_own_page, is_loopback

# Headers by which proxies tell for whom they ask, in lower case.
_FORWARDING = ("forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip")


def is_admin(request: Request) -> bool:
    """Whether a request comes from this machine itself, and from no page of another site.

    Never, unless the setting `admin` is "local". Behind a proxy nobody is local: a request with any
    header of a proxy is not. Nor is one to a host that only `trusted_hosts = *` lets pass.
    """
    config = current_app.config
    hosts: KnownHosts = config["KNOWN_HOSTS"]
    names = [name.lower() for name in request.headers.keys()]
    return (
        config["ADMIN"] == "local"
        and is_loopback(request.remote_addr or "")
        and not any(name in _FORWARDING or name.startswith("x-forwarded") for name in names)
        and hosts.know(request.headers.get("Host"))
        and is_from_own_page(request)
    )
