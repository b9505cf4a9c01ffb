"""The Flask application: every set of routes in scai/web/, and headers on every answer."""

from __future__ import annotations

from flask import Flask, request
from flask.wrappers import Response
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from scai import plugins
from scai.jobs.service import JobService
from scai.settings import ROOT, Settings
from scai.web import answers, page
from scai.web.static_files import serve_statics

_PIXELS = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp")
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


# Browsers make a document of a picture that is opened alone, and lay it out by styles of their own:
# a policy without a rule for styles leaves room for that. Pixels hold nothing else to rule.
_PICTURE_POLICY = "; ".join(
    [
        *(f"{what}-src 'none'" for what in ("script", "connect", "object", "frame", "font")),
        *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "sandbox"),
    ]
)


def create_app(service: JobService, settings: Settings) -> Flask:
    """A new application. No global, no thread; call it twice and get two."""
    app = Flask("scai", template_folder=str(ROOT / "templates"), static_folder=None)
    app.config["KINDS"] = settings.kinds
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_bytes
    # Only how the browser came, for addresses and cookies. Whoever sends the header without a proxy
    # between tells a lie to nobody but himself.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=0, x_proto=1)  # type: ignore[method-assign]
    serve_statics(app, ROOT / "static")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    for name in plugins.names("routes"):
        app.register_blueprint(plugins.load("routes", name).blueprint(service, settings))

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response | HTTPException:
        if error.code is None or error.code < 400:
            return error  # a redirection
        if not answers.wants_page():
            return answers.of_http_error(error)
        answer = page.render("error.html", "error", error.code, code=error.code)
        for name, value in error.get_headers(request.environ):
            if name == "Allow":
                answer.headers[name] = value
        return answer

    @app.after_request
    def secure(response: Response) -> Response:
        if response.mimetype in _PIXELS:
            response.headers["Content-Security-Policy"] = _PICTURE_POLICY
        for header, value in _HEADERS.items():
            response.headers.setdefault(header, value)
        return response

    return app
