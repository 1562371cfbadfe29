"""Settings: read once from the environment, then passed as an argument."""

from app.settings.choosing import PREFIX, Settings, SettingsError
from app.settings.kinds import AP_JS_URL, DEVELOPMENT_KEY, PLAIN_HTTP

__all__ = [
    "AP_JS_URL",
    "DEVELOPMENT_KEY",
    "PLAIN_HTTP",
    "PREFIX",
    "Settings",
    "SettingsError",
]
