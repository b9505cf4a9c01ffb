"""The Flask application: every set of routes in scai/web/, and headers on every answer."""

from __future__ import annotations

from flask import Flask, request
from flask.wrappers import Response
from werkzeug.exceptions import HTTPException

from scai import page, plugins, refusals
from scai.service import Service
from scai.settings import ROOT, Settings
from scai.statics import serve_statics

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def create_app(service: Service, settings: Settings) -> Flask:
    """A new application. No global, no thread; call it twice and get two."""
    app = Flask("scai", template_folder=str(ROOT / "templates"), static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_bytes
    serve_statics(app, ROOT / "static")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    for name in plugins.names("web"):
        app.register_blueprint(plugins.load("web", name).blueprint(service, settings))

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response | HTTPException:
        if error.code is None or error.code < 400:
            return error  # a redirection
        if not refusals.wants_page():
            return refusals.as_json(error)
        answer = page.render("error.html", "error", error.code, code=error.code)
        for name, value in error.get_headers(request.environ):
            if name == "Allow":
                answer.headers[name] = value
        return answer

    @app.after_request
    def secure(response: Response) -> Response:
        for header, value in _HEADERS.items():
            response.headers.setdefault(header, value)
        return response

    return app
