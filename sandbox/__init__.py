"""A small Jira for your laptop and for the tests; it shares no code with the add-on."""

from sandbox.jira import Jira
from sandbox.web import create_app, speak_for

__all__ = ["Jira", "create_app", "speak_for"]
