"""`application` for uWSGI, gunicorn and other WSGI servers, with settings from the environment."""

from scai.programs.portal import application as _make

application = _make()
