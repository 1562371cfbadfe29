"""The kinds of destinations: to drop one, delete its file and its line."""

from collections.abc import Mapping
from typing import Any

from app.destinations.attempting import Form
from app.destinations.connector import Connector
from app.destinations.github import GitHub
from app.destinations.gitlab import GitLab
from app.destinations.inputs import judged
from app.destinations.jenkins import Jenkins
from app.destinations.jira_devops import JiraDevops
from app.destinations.mail import Email
from app.destinations.slack import Slack
from app.destinations.teams import Teams
from app.destinations.webhook import Webhook

CONNECTORS: Mapping[str, Connector[Any, Any]] = {
    each.kind: each
    for each in (
        Webhook(),
        GitHub(),
        GitLab(),
        Jenkins(),
        JiraDevops(),
        Slack(),
        Teams(),
        Email(),
    )
}


def connector_of(kind: str) -> Connector[Any, Any]:
    """Return what knows this kind; raise `KeyError` if this version knows none."""
    return CONNECTORS[kind]


def inputs_of(kind: str, settings: Mapping[str, Any]) -> type[Form] | None:
    """Return what a rule may pass to such a destination; None: whatever it wants."""
    connector = connector_of(kind)
    return connector.inputs(connector.settings_form.model_validate(settings))


def fitting(
    kind: str, settings: Mapping[str, Any], rendered: Mapping[str, str]
) -> dict[str, str]:
    """Return the inputs as the destination takes them; raise `ValueError` if not.

    The message names an input and never its value, which a reporter may have written.
    """
    form = inputs_of(kind, settings)
    return dict(rendered) if form is None else judged(form, rendered)
