"""Settings: every problem at once, by name, and nothing unsafe in production."""

import base64

import pytest

from app.runtime import egress_of
from app.settings import Settings, SettingsError

KEY = base64.b64encode(b"k" * 32).decode()
GOOD = {
    "COUNTERSIGN_BASE_URL": "https://countersign.example/app/",
    "COUNTERSIGN_DATABASE_URL": "sqlite:///countersign.sqlite",
    "COUNTERSIGN_QUEUE_URL": "sqlite:///queue.sqlite",
    "COUNTERSIGN_ENCRYPTION_KEYS": KEY,
}


TENANT = "01989f6e-7b1c-7000-8000-000000000000"


def problems(**changes: str) -> str:
    env = GOOD | {f"COUNTERSIGN_{name}": value for name, value in changes.items()}
    with pytest.raises(SettingsError) as error:
        Settings.from_env(env)
    return str(error.value)


def test_good_environment_is_read() -> None:
    more = {
        "COUNTERSIGN_ACCEPTED_BASE_URLS": "https://old.example/, https://older.example",
        "COUNTERSIGN_TENANTS": "a.atlassian.net,b.atlassian.net",
        "OTHER": "ignored",
    }
    settings = Settings.from_env(GOOD | more)

    assert settings.base_url == "https://countersign.example/app"
    assert settings.base_path == "/app"
    assert settings.audiences == {
        "https://countersign.example/app",
        "https://old.example",
        "https://older.example",
    }
    assert settings.tenants == ("a.atlassian.net", "b.atlassian.net")
    assert not settings.development


def test_everything_missing_is_reported_at_once_with_an_example() -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_env({"COUNTERSIGN_MODE": "staging"})

    lines = str(error.value).splitlines()
    assert [line.split()[0].removeprefix("COUNTERSIGN_") for line in lines] == [
        "MODE",
        "BASE_URL",
        "DATABASE_URL",
        "QUEUE_URL",
        "ENCRYPTION_KEYS",
    ]
    assert all("Example: " in line for line in lines)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BASE_URL", "countersign.example"),
        ("BASE_URL", "ftp://countersign.example"),
        ("BASE_URL", "https://countersign.example?x=1"),
        ("BASE_URL", "https://user@countersign.example"),
        ("DATABASE_URL", "postgres://countersign@db/countersign"),
        ("QUEUE_URL", "amqp://queue"),
        ("ENCRYPTION_KEYS", "not base64!"),
        ("ENCRYPTION_KEYS", base64.b64encode(b"short").decode()),
        ("APP_KEY", "with space"),
        ("LISTEN", "8040"),
        ("WEB_THREADS", "0"),
        ("SECRET_GRACE_MINUTES", "soon"),
        ("LOG_LEVEL", "LOUD"),
        ("EGRESS_PORTS", "https"),
        ("EGRESS_EXCEPTIONS", "10.1.0.0/16"),
        ("EGRESS_EXCEPTIONS", "not-a-tenant=10.1.0.0/16"),
        ("EGRESS_EXCEPTIONS", f"{TENANT}=anywhere"),
    ],
)
def test_malformed_value_is_named(name: str, value: str) -> None:
    assert problems(**{name: value}).startswith(f"COUNTERSIGN_{name} is wrong")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BASE_URL", "http://countersign.example"),
        ("ACCEPTED_BASE_URLS", "http://old.example"),
        ("INSTALL_KEYS_URL", "http://keys.example"),
        ("ENCRYPTION_KEYS", f"dev:{KEY}"),
        ("AP_JS_URL", "https://evil.example/all.js"),
    ],
)
def test_production_refuses_what_development_may(name: str, value: str) -> None:
    assert f"COUNTERSIGN_{name}" in problems(**{name: value})

    relaxed = {"COUNTERSIGN_MODE": "development", f"COUNTERSIGN_{name}": value}
    assert Settings.from_env(GOOD | relaxed).development


def test_t11_operators_exceptions_name_tenant_and_network() -> None:
    entries = f"{TENANT}=10.1.0.0/16, {TENANT}=http+192.168.7.0/24"
    settings = Settings.from_env(GOOD | {"COUNTERSIGN_EGRESS_EXCEPTIONS": entries})

    rules = egress_of(settings)

    assert [(str(e.tenant_id), str(e.network), e.plain_http) for e in rules.exempt] == [
        (TENANT, "10.1.0.0/16", False),
        (TENANT, "192.168.7.0/24", True),
    ]
    assert not rules.any_port


def test_t11_development_reaches_this_machine() -> None:
    development = Settings.from_env(GOOD | {"COUNTERSIGN_MODE": "development"})

    assert egress_of(development).any_port
    assert {str(e.network) for e in egress_of(development).exempt} == {
        "127.0.0.0/8",
        "::1/128",
    }


def test_malformed_key_is_not_printed() -> None:
    secret = base64.b64encode(b"s" * 31).decode()

    assert secret not in problems(ENCRYPTION_KEYS=secret)


def test_settings_hide_their_secrets() -> None:
    env = GOOD | {"COUNTERSIGN_DATABASE_URL": "postgresql+psycopg://u:hunter2@db/c"}
    shown = repr(Settings.from_env(env))

    assert KEY not in shown
    assert "hunter2" not in shown


def test_development_keys_seal_like_any_other() -> None:
    env = GOOD | {
        "COUNTERSIGN_MODE": "development",
        "COUNTERSIGN_ENCRYPTION_KEYS": f"dev:{KEY}",
    }

    assert Settings.from_env(env).sealing_keys == (KEY,)


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "smtp://mail.example.com",
        "smtp://mail.example.com?tls=no",
        "smtps://",
        "https://mail.example.com",
    ],
)
def test_mail_goes_out_by_tls_or_not_at_all(url: str) -> None:
    found = problems(SMTP_URL=url, ALERT_FROM="a@example.com", ALERT_TO="b@example.com")

    assert "COUNTERSIGN_SMTP_URL is wrong" in found


def test_mail_server_needs_a_sender_and_somebody_to_tell() -> None:
    url = "smtps://u:hunter2@mail.example.com"

    assert "COUNTERSIGN_ALERT_FROM is wrong" in problems(SMTP_URL=url)
    assert "COUNTERSIGN_ALERT_TO is wrong" in problems(SMTP_URL=url, ALERT_FROM="a@b.c")
    assert "hunter2" not in problems(SMTP_URL=url)


def test_passwords_of_settings_are_not_shown() -> None:
    more = {
        "COUNTERSIGN_SMTP_URL": "smtp://u:hunter2@mail.example.com?starttls",
        "COUNTERSIGN_ALERT_FROM": "a@example.com",
        "COUNTERSIGN_ALERT_TO": "b@example.com,c@example.com",
        "COUNTERSIGN_METRICS_TOKEN": "hunter2",
    }
    settings = Settings.from_env(GOOD | more)

    assert settings.alert_to == ("b@example.com", "c@example.com")
    assert "hunter2" not in repr(settings)
