"""What all views of our pages do: render a part, or say that they change nothing."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Response, render_template
from flask.typing import ResponseReturnValue

from app.web import words

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])


def reads_only(view: View) -> View:
    """Say of a POST that it changes nothing: the person's permission may be cached.

    It is a POST because its question is long, or should not stand in an address.
    """
    vars(view)["reads_only"] = True
    return view


def fragment(template: str, **values: Any) -> Response:  # noqa: ANN401
    """Render a part of a page; half a character of a broken rule becomes a "?"."""
    html = render_template(template, words=words, **values)
    return Response(html.encode("utf-8", "replace"), mimetype="text/html")
