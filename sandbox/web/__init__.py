"""The Flask half of the sandbox: REST for the add-on, pages for people."""

from sandbox.web.application import create_app, speak_for

__all__ = ["create_app", "speak_for"]
