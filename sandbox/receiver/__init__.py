"""Somebody else's service that the add-on delivers to: an external deployment service.

It believes nothing but what it can check itself, by its own code: the token or the
signature of each delivery, for whom it was made, when, and for which body. Of the rest
of the sandbox it uses the layout of the pages and the wire.
"""

from sandbox.receiver.pages import create_app
from sandbox.receiver.receivers import Receivers

__all__ = ["Receivers", "create_app"]
