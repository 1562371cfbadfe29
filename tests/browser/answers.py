"""What a page's requests meet on the way to the server, for as long as a test says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, Route


@contextmanager
def answered(
    page: Page, pattern: str, answer: Callable[[Route], None]
) -> Iterator[None]:
    """Answer what `page` asks at `pattern` by `answer`, until the block ends.

    The route itself stays: `unroute` hands a request that is on its way to the next
    route a second time, and that one then fails with "Route is already handled".
    """
    lasting = True

    def on_request(route: Route) -> None:
        if lasting:
            answer(route)
        else:
            route.fallback()

    page.route(pattern, on_request)
    try:
        yield
    finally:
        lasting = False


def silent(route: Route) -> None:
    """Answer nothing, as a server that is not there."""
    route.abort()
