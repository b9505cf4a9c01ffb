"""`application` for uwsgi, gunicorn and other WSGI servers; settings come from the environment."""

from scai.programs.portal import application as _make

application = _make()
