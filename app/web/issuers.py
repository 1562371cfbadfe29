"""Where receivers learn how to check our tokens: discovery and key set, per tenant.

Source: OpenID Connect Discovery 1.0, section 3; RFC 7517. Which members receivers need:
AWS wants issuer, jwks_uri, response types, subject types and algorithms; Octopus only
jwks_uri.
"""

import uuid

from flask import Blueprint, abort, jsonify
from flask.typing import ResponseReturnValue

from app import destinations, keys, stops
from app.tenants import Tenant
from app.tokens import ours
from app.web.context import runtime

bp = Blueprint("issuers", __name__, url_prefix="/issuers/<uuid:tenant_id>")

MAX_AGE = "public, max-age=300"

CLAIMS = (
    "iss",
    "aud",
    "sub",
    "iat",
    "exp",
    "jti",
    "body_sha256",
    "delivery_id",
    "environment",
    "run_id",
    "rule_id",
    "issue_id",
    "issue_key",
    "project_id",
    "project_key",
    "from_status_id",
    "from_status",
    "to_status_id",
    "to_status",
    "actor_account_id",
    "reported",
    "replay_of",
)


@bp.get("/.well-known/openid-configuration")
def configuration(tenant_id: uuid.UUID) -> ResponseReturnValue:
    """Say where the keys are. `issuer` equals the tokens' `iss`, byte for byte."""
    _refuse_unknown(tenant_id)
    issuer = destinations.issuer(runtime().settings.base_url, tenant_id)
    document = {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks.json",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ours.DELIVERY_ALGORITHM],
        "scopes_supported": ["openid"],
        "claims_supported": list(CLAIMS),
    }
    return jsonify(document), {"Cache-Control": MAX_AGE}


@bp.get("/jwks.json")
def key_set(tenant_id: uuid.UUID) -> ResponseReturnValue:
    """Hand out the public keys: next, active, and retiring ones of the last minutes.

    Attack (T14): a key that was stolen and revoked is not revoked in an older backup.
    Until the operator has said what becomes of its keys, a restored instance names
    none: 503, and receivers go on with the set that they remember.
    """
    _refuse_unknown(tenant_id)
    now = runtime().now()
    with runtime().sessions.begin() as session:
        if stops.is_restored(session):
            return {"error": "unavailable"}, 503
        found = keys.key_set(session, tenant_id, now=now)
    return jsonify({"keys": found}), {"Cache-Control": MAX_AGE}


def _refuse_unknown(tenant_id: uuid.UUID) -> None:
    """Answer 404 for a tenant that we do not have."""
    with runtime().sessions.begin() as session:
        if session.get(Tenant, tenant_id) is None:
            abort(404)
