"""The doctor for one site: what its admin may know of its connection to us."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from flask import Blueprint
from flask.typing import ResponseReturnValue

from app import doctor
from app.doctor import Finding, Health
from app.web.context import caller, runtime, web
from app.web.fragments import fragment
from app.web.words import Shown

bp = Blueprint("checkup", __name__, url_prefix="/api/v1")

LONGEST = timedelta(seconds=8)
"""How long all questions of one look may take together: a page waits for them."""

NAMES: Mapping[str, str] = {
    "base-url": "Our address",
    "clock": "Clocks",
    "descriptor": "Descriptor",
    "forge-token": "Forge's token",
    "jwks": "Published keys",
    "secret": "Shared secret",
    "signing-keys": "Signing keys",
    "targets": "Addresses on their way",
}
"""What each check of one site is called. The operator's database, queue and other sites
are no part of it (`doctor.of_site`)."""

HEALTHS: Mapping[Health, Shown] = {
    Health.OK: Shown("OK", "success"),
    Health.WARN: Shown("Look at it", "warning"),
    Health.FAIL: Shown("Failed", "danger"),
    Health.SKIPPED: Shown("Not looked at", "neutral"),
}


class TooManyLooksError(Exception):
    """This site has had the looks of a minute."""


@bp.post("/checkup")
def look() -> ResponseReturnValue:
    """Look at the site's connection now; nothing is changed by it."""
    tenant_id = caller().tenant_id
    with web().asking.place(tenant_id):
        if not web().trials.admit(tenant_id, now=runtime().now()):
            raise TooManyLooksError
        with runtime().sessions.begin() as session:
            site = doctor.read(session, runtime(), tenant_id)
        found = _shown(doctor.of_site(runtime(), site, LONGEST))
    return fragment(
        "checkup.html",
        findings=found,
        names=NAMES,
        healths=HEALTHS,
        is_well=doctor.is_well(found),
    )


@bp.errorhandler(TooManyLooksError)
def _too_many(_: TooManyLooksError) -> ResponseReturnValue:
    message = "That was looked at several times just now. Try again in a minute"
    return {"error": "too-many", "message": message}, 429


def _shown(findings: Iterable[Finding]) -> Sequence[Finding]:
    """Return them in the order in which somebody wants to read them."""
    worst = (Health.FAIL, Health.WARN, Health.OK, Health.SKIPPED)
    return sorted(findings, key=lambda each: worst.index(each.health))
