"""The descriptor: what Jira reads to install us."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from app.connect import descriptor
from app.web.context import runtime

bp = Blueprint("descriptor", __name__)


@bp.get("/atlassian-connect.json")
def show() -> ResponseReturnValue:
    """Describe the app to Jira."""
    settings = runtime().settings
    return descriptor.render(settings.base_url, settings.app_key)
