"""What production may not do, and development may (docs/operate.md lists it)."""

from collections.abc import Iterable
from typing import Protocol

from pydantic_core import InitErrorDetails

from app.settings import problems
from app.settings.kinds import AP_JS_URL, DEVELOPMENT_KEY


class Chosen(Protocol):
    """The settings that are looked at."""

    @property
    def accepted_base_urls(self) -> tuple[str, ...]: ...
    @property
    def encryption_keys(self) -> tuple[str, ...]: ...
    @property
    def ap_js_url(self) -> str: ...


def unsafe(settings: Chosen) -> Iterable[InitErrorDetails]:
    """Yield what only development may do."""
    for name in ("base_url", "install_keys_url", "forge_keys_url", "forge_api_url"):
        if not getattr(settings, name).startswith("https://"):
            yield problems.told(name, "production needs https")
    if any(not url.startswith("https://") for url in settings.accepted_base_urls):
        yield problems.told("accepted_base_urls", "production needs https")
    if any(key.startswith(DEVELOPMENT_KEY) for key in settings.encryption_keys):
        yield problems.told(
            "encryption_keys", "a development key is not for production"
        )
    if settings.ap_js_url != AP_JS_URL:
        yield problems.told("ap_js_url", f"production takes only {AP_JS_URL}")
