"""The page of all rules: what Jira's workflows have, and what became of it."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from app.web.context import caller
from app.web.fragments import fragment
from app.web.rules import rule_list

bp = Blueprint("rules", __name__, url_prefix="/api/v1")


@bp.get("/pages/rules")
def show() -> ResponseReturnValue:
    """List every rule of the site, by workflow."""
    return fragment("rules.html", found=rule_list.read(caller().tenant_id))
