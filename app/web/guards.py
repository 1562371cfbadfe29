"""Who may call: one guard for each kind of token, run before the view."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask import abort, current_app, g, request

from app import listeners, tenants, tickets
from app.tenants import Door, State, Tenant, callers
from app.tenants.callers import Known
from app.tokens import checks, connect, target
from app.tokens.checks import Reason, Refused, Unverified, Verified
from app.under_way import BusyError
from app.vault import Opened
from app.web.context import Caller, runtime, web
from app.web.permissions import OF_ISSUE

Guard = Callable[[], None]

_Verify = Callable[[Iterable[Opened]], Verified]

MAX_CALL = 64 * 1024
"""Bytes of a listener's call; a transition's has the whole issue in it."""

HUB_SIGNATURE = "X-Hub-Signature"  # where a webhook of Jira's has its body's proof

MAX_DIGITS = 18
"""Of an issue's id, which Jira counts in 64 bits."""


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
    with runtime().reading.begin() as session:
        known = tenants.find(session, token.issuer) is not None
    key = web().install_keys.get(key_id, for_tenant=known)
    g.verified = connect.verify_install(token, key)


def url_bound() -> None:
    """Let in requests that a tenant's Jira signed for exactly this URL."""
    judged = _judge_url_bound()
    _refuse_unproven(judged)
    _let_in(judged)


def url_bound_or_stored() -> None:
    """The same, and what is signed with a secret that is still to be proven (rule T4).

    For doors whose view stores the call and does nothing for it. A transition's call is
    sent by Jira alone and once: refused, it would be lost, though its secret may be
    proven a second later.
    """
    _let_in(_judge_url_bound())


def context_token() -> None:
    """Let in calls that our own pages make with the token Jira gave them."""
    target.refuse_confusable(raw_target())
    token = _read_token(in_query=False)

    def verify(secrets: Iterable[Opened]) -> Verified:
        return connect.verify_context(token, secrets, now=runtime().now())

    judged = _judge(token, verify)
    _refuse_unproven(judged)
    _let_in(judged)


def ticket() -> None:
    """Let in who brings a ticket for a download, and use it up. Sets `g.redeemed`.

    It stands in the address, where no other token of ours may: a browser that saves a
    file sends no header. So it is good once, for a minute, for one file.

    Attack: answers that differ tell a guesser what he found. A ticket that is wrong,
    used, expired or of a site that has left is 404, as if there were no such address.
    """
    if request.method != "GET":
        # Attack, or accident: something that looks at addresses beforehand, by HEAD,
        # uses the ticket up, and the person gets nothing.
        abort(405)
    unverified_ticket = (request.view_args or {}).get("unverified_ticket", "")
    with runtime().reading.begin() as session:
        if not tickets.is_there(session, unverified_ticket, now=runtime().now()):
            abort(404)
    with runtime().sessions.begin() as session:
        redeemed = tickets.redeem(session, unverified_ticket, now=runtime().now())
        if redeemed is None:
            abort(404)
        if session.get_one(Tenant, redeemed.tenant_id).state is not State.ACTIVE:
            abort(404)
        if not web().downloads.has_room(redeemed.tenant_id):
            # Raised inside the transaction: the ticket is not used up.
            raise BusyError
    g.redeemed = redeemed


def listener() -> None:
    """Let in a caller other than Jira, by the proof that its admin chose (rule T17).

    Sets `g.called` and `g.heard`: which listener it is, and what its token says.
    """
    target.refuse_confusable(raw_target())
    request.max_content_length = MAX_CALL
    now, keyring = runtime().now(), runtime().keyring
    listener_id = (request.view_args or {})["listener_id"]
    g.claimed_issuer = listeners.url_of(runtime().settings.base_url, listener_id)
    signature = request.headers.get(HUB_SIGNATURE, "")
    if signature and _has_token():
        raise Refused(Reason.TWO_PLACES)
    token = None if signature else bearer_token()
    with runtime().reading.begin() as session:
        called = listeners.open_called(session, keyring, listener_id, now=now)
    g.tenant_id, g.listener_id, g.called = called.tenant_id, called.id, called
    if called.definition.proof.is_transition:
        request.max_content_length = None  # as of any body: the whole issue is in it
    call = listeners.Call(
        token=token, signature=signature, body=request.get_data(), url=g.claimed_issuer
    )
    g.heard = listeners.judge(called, call, web().key_sets, now=now)


def _has_token() -> bool:
    in_query = target.tokens_in(request.query_string.decode("latin-1"))
    return bool(in_query) or "Authorization" in request.headers


def bearer_token() -> Unverified:
    """Return the request's only token; raise `Refused` for none, or two (rule T0)."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if target.tokens_in(request.query_string.decode("latin-1")):
        raise Refused(Reason.TWO_PLACES)
    if scheme.upper() != "BEARER" or not value.strip():
        raise Refused(Reason.MISSING)
    return checks.read(value.strip())


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """A token whose signature is good, and whose secret that is."""

    known: Known
    verified: Verified
    candidate_id: uuid.UUID | None = None
    """Of a secret that is still to be proven."""


def _judge_url_bound() -> _Judged:
    hashes, now = _request_hashes(), runtime().now()
    token = _read_token()

    def verify(secrets: Iterable[Opened]) -> Verified:
        return connect.verify_url_bound(token, secrets, hashes=hashes, now=now)

    return _judge(token, verify)


def _judge(token: Unverified, verify: _Verify) -> _Judged:
    """Judge a token by the tenant's secrets; by one that is offered only at last."""
    known = _known_of(token)
    try:
        return _Judged(known=known, verified=verify(known.secrets))
    except Refused as error:
        if error.reason is not Reason.BAD_SIGNATURE or known.offered is None:
            raise
    candidate_id, secret = known.offered
    try:
        verified = verify([secret])
    except Refused as error:
        # Attack (T13): whoever offered that secret would fill the tenant's history
        # with refusals. It proves nothing, so neither do they.
        error.proven = False
        raise
    unproven = replace(verified, generation=None)
    return _Judged(known=known, verified=unproven, candidate_id=candidate_id)


def _refuse_unproven(judged: _Judged) -> None:
    """Refuse what is signed with a secret that is still to be proven (rule T4).

    Attack: who replays an install token offers a secret of his own, and signs with it
    as an administrator of the site. A page shows at once what it is asked for, so there
    is nothing to put off: it is refused. A person opens it again a moment later.
    """
    if judged.candidate_id is not None:
        raise Refused(Reason.SECRET_UNPROVEN, judged.known.tenant.base_url)


def _let_in(judged: _Judged) -> None:
    g.known = judged.known
    g.caller = Caller(
        tenant_id=judged.known.tenant.id,
        door=Door.CONNECT,
        verified=judged.verified,
        origins=judged.known.tenant.origins,
        candidate_id=judged.candidate_id,
    )


def _require(permission: str) -> None:
    caller: Caller = g.caller
    if caller.verified.account_id is None:
        raise Refused(Reason.NO_SUBJECT, proven=True)
    issue = issue_id() if permission in OF_ISSUE else ""
    view = current_app.view_functions[request.endpoint or ""]
    reads_only = request.method in {"GET", "HEAD"} or hasattr(view, "reads_only")
    try:
        web().permissions.require(
            caller.person, permission, live=not reads_only, issue_id=issue
        )
    except Refused as error:
        error.proven = True
        raise


def issue_id() -> str:
    """Return the one issue that the request is about, as Jira numbers it.

    Views of an issue take it from here too: what was asked of Jira is what is shown.
    """
    given = (request.view_args or {}).get("issue_id", request.args.get("issue", ""))
    text = str(given)
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise Refused(Reason.NOT_PERMITTED, "the address names no issue", proven=True)
    return str(int(text))


def _known_of(token: Unverified) -> Known:
    """Return the tenant that the token claims to be from, and what would prove it."""
    now, keyring = runtime().now(), runtime().keyring
    with runtime().reading.begin() as session:
        known = callers.get_known(session, keyring, token.issuer, now=now)
    g.tenant_id = known.tenant.id
    return known


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
    raw = raw_target()
    relative = target.relative(raw, runtime().settings.base_path)
    target.refuse_confusable(relative)
    return target.hashes(request.method, relative)


def raw_target() -> str:
    """Return the request target as the server received it, before any decoding."""
    return target_of(request.environ)


def target_of(environ: Mapping[str, Any]) -> str:
    """Return it from what the server says of the request.

    `REQUEST_URI` is waitress's name for it, `RAW_URI` gunicorn's; neither can be set
    by a header, whose names all begin with `HTTP_`.
    """
    return str(environ.get("REQUEST_URI") or environ.get("RAW_URI") or "")
