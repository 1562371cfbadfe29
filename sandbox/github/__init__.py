"""GitHub, for who has no App there: its REST API for Apps, Actions, and their issuer.

It judges each request by GitHub's published contract, by its own code. Of the rest of
the sandbox it uses the layout of the pages and the wire.
"""

from sandbox.github.build import Build
from sandbox.github.github import GitHub
from sandbox.github.replies import Reply

__all__ = ["Build", "GitHub", "Reply"]
