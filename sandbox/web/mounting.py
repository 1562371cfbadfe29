"""Jira below a context path, as Tomcat serves it; what is no part of it is beside."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.utils import redirect

from sandbox.jira import Jira

BESIDE = ("/sandbox/", "/receiver", "/github")
"""The control API, and other companies' services."""


def mounted(app: Flask) -> WSGIApplication:
    """What `app` answers, below the path of the Jira that it speaks for."""
    inner = app.wsgi_app

    def call(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        jira: Jira = app.extensions["jira"]
        context, path = jira.context_path, environ["PATH_INFO"]
        if not context:
            return inner(environ, start)
        if path == context or path.startswith(f"{context}/"):
            environ["PATH_INFO"] = path[len(context) :] or "/"
        elif not path.startswith(BESIDE):
            answer = redirect(f"{context}/") if path == "/" else NotFound()
            return answer(environ, start)
        # links lead to Jira's pages from everywhere
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + context
        return inner(environ, start)

    return call
