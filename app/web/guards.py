"""Who may call: one guard for each kind of token, run before the view."""

from collections.abc import Callable

from flask import current_app, g, request

from app import tenants, vault
from app.tenants import Tenant
from app.tokens import checks, connect, target
from app.tokens.checks import Reason, Refused, Unverified
from app.tokens.connect import Verified
from app.web.context import Caller, runtime, web

Guard = Callable[[], None]


def of(guard: Guard, *, permission: str) -> Guard:
    """Return the guard, followed by the question whether the person may do this."""

    def guarded() -> None:
        guard()
        if permission:
            _require(permission)

    guarded.__name__ = guard.__name__
    return guarded


def open_to_all() -> None:
    """Mark a blueprint as open on purpose."""


def signed_install() -> None:
    """Let in installs and uninstalls that Atlassian signed for one of our base URLs.

    Sets `g.verified`. The tenant may be unknown still: the view looks it up.
    """
    now, settings = runtime().now(), runtime().settings
    hashes = _request_hashes()
    token = _read_token()
    key_id = connect.key_id(token)
    connect.precheck_install(
        token, audiences=settings.audiences, hashes=hashes, now=now
    )
    with runtime().sessions.begin() as session:
        known = tenants.find(session, token.issuer) is not None
    key = web().install_keys.get(key_id, for_tenant=known)
    g.verified = connect.verify_install(token, key)


def url_bound() -> None:
    """Let in requests that a tenant's Jira signed for exactly this URL."""
    hashes = _request_hashes()
    token = _read_token()
    tenant, secrets = _tenant_of(token)
    now = runtime().now()
    verified = connect.verify_url_bound(token, secrets, hashes=hashes, now=now)
    _let_in(tenant, verified)


def context_token() -> None:
    """Let in calls that our own pages make with the token Jira gave them."""
    target.refuse_confusable(_raw_target())
    token = _read_token(in_query=False)
    tenant, secrets = _tenant_of(token)
    verified = connect.verify_context(token, secrets, now=runtime().now())
    _let_in(tenant, verified)


def _let_in(tenant: Tenant, verified: Verified) -> None:
    g.caller = Caller(tenant_id=tenant.id, verified=verified, origins=tenant.origins)


def _require(permission: str) -> None:
    caller: Caller = g.caller
    if caller.verified.account_id is None:
        error = Refused(Reason.NO_SUBJECT)
        error.proven = True
        raise error
    view = current_app.view_functions[request.endpoint or ""]
    reads_only = request.method in {"GET", "HEAD"} or hasattr(view, "reads_only")
    try:
        web().permissions.require(
            caller.tenant_id, caller.account_id, permission, live=not reads_only
        )
    except Refused as error:
        error.proven = True
        raise


def _tenant_of(token: Unverified) -> tuple[Tenant, list[vault.Opened]]:
    """Return the tenant that the token claims to be from, and what would prove it."""
    with runtime().sessions.begin() as session:
        tenant = tenants.get_calling(session, token.issuer)
        secrets = vault.accepted(
            session, runtime().keyring, tenant.shared_secret, now=runtime().now()
        )
        session.expunge(tenant)
    g.tenant_id = tenant.id
    return tenant, secrets


def _read_token(*, in_query: bool = True) -> Unverified:
    """Return the request's only token; raise `Refused` for none, or two (rule T0)."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    found = [value.strip()] if scheme.upper() == "JWT" else []
    parameters = target.tokens_in(request.query_string.decode("latin-1"))
    if len(found) + len(parameters) > 1:
        # Attack: two tokens, one for the check and one for whoever reads the other.
        raise Refused(Reason.TWO_PLACES)
    if in_query:
        found += parameters
    if not found or not found[0]:
        raise Refused(Reason.MISSING)
    token = checks.read(found[0])
    g.claimed_issuer = str(token.claims.get("iss", ""))
    return token


def _request_hashes() -> frozenset[str]:
    raw = _raw_target()
    relative = target.relative(raw, runtime().settings.base_path)
    target.refuse_confusable(relative)
    return target.hashes(request.method, relative)


def _raw_target() -> str:
    """Return the request target as the server received it, before any decoding.

    `REQUEST_URI` is waitress's name for it, `RAW_URI` gunicorn's; neither can be set
    by a header, whose names all begin with `HTTP_`.
    """
    environ = request.environ
    return str(environ.get("REQUEST_URI") or environ.get("RAW_URI") or "")
