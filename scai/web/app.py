"""The Flask application: every set of routes, the page's files and the errors of HTTP."""

from __future__ import annotations

from flask import Flask, request
from flask.wrappers import Response
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from scai import plugins
from scai.jobs.service import JobService
from scai.settings import ROOT, Settings
from scai.storage.memory_budget import MemoryBudget
from scai.web import answers, page, visitors
from scai.web.access_log import log_requests
from scai.web.static_files import serve_statics


def create_app(service: JobService, settings: Settings) -> Flask:
    """Create an application, without globals or threads; two calls give two applications.

    Raises ConfigError for settings that say wrongly who may come.
    """
    app = Flask("scai", template_folder=str(ROOT / "templates"), static_folder=None)
    app.config["KINDS"] = settings.kinds
    app.config["FORM_MEMORY"] = MemoryBudget(int(settings.max_form_memory_mb * 1_000_000))
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_bytes
    # Trust the proxy's word for http or https, and for nothing else: only the addresses and cookies
    # of the same client depend on it.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=0, x_proto=1)  # type: ignore[method-assign]
    log_requests(app)
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

    app.after_request(answers.secure)
    visitors.admit(app, settings)
    return app
