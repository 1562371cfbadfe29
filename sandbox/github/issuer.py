"""The issuer of Actions: a token says which run of which workflow somebody is.

Claims as "OpenID Connect reference" of GitHub's documentation lists them.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

import jwt

from sandbox.github import keys
from sandbox.github.keys import Key
from sandbox.github.runs import Run

Json = dict[str, Any]

LIFETIME = timedelta(minutes=5)
DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/.well-known/jwks"
ACTOR, ACTOR_ID = "countersign[bot]", 41898282
_SHA = "6dcb09b5b57875f334f61aebed695e2e4193db5e"


class Issuer:
    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._keys: list[Key] = []

    @property
    def keys(self) -> list[Key]:
        """The published ones; the last one signs."""
        self._keys = self._keys or [keys.first("actions")]
        return self._keys

    def rotate(self) -> None:
        """A new key signs; the ones before stay published."""
        self._keys = [*self.keys, keys.new()]

    def document(self, path: str) -> Json | None:
        """What is published at this path below the issuer."""
        if path == DISCOVERY:
            return self._discovery()
        if path == JWKS:
            return {"keys": [key.jwk() for key in self.keys]}
        return None

    def _discovery(self) -> Json:
        return {
            "issuer": self.url,
            "jwks_uri": self.url + JWKS,
            "subject_types_supported": ["public", "pairwise"],
            "response_types_supported": ["id_token"],
            "claims_supported": [
                "sub",
                "aud",
                "exp",
                "iat",
                "iss",
                "jti",
                "nbf",
                *_context_names(),
            ],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid"],
        }

    def claims(self, run: Run, audience: str, now: datetime) -> Json:
        issued = int(now.timestamp())
        return {
            "iss": self.url,
            "aud": audience,
            "sub": f"repo:{run.repository.full_name}:ref:{run.ref}",
            "jti": str(uuid.uuid4()),
            "iat": issued,
            "nbf": issued,
            "exp": issued + int(LIFETIME.total_seconds()),
            **_context(run),
        }

    def sign(self, claims: Json, key: Key | None = None) -> str:
        """With the published key; or with another one, under the name of that one."""
        kid = self.keys[-1].kid
        chosen = key or self.keys[-1]
        return jwt.encode(claims, chosen.private, "RS256", headers={"kid": kid})


def _context(run: Run) -> Json:
    where, workflow = run.repository, run.workflow
    workflow_ref = f"{where.full_name}/{workflow.path}@{run.ref}"
    return {
        "repository": where.full_name,
        "repository_id": str(where.id),
        "repository_owner": where.owner,
        "repository_owner_id": str(where.owner_id),
        "repository_visibility": "private",
        "ref": run.ref,
        "ref_type": "tag" if run.ref.startswith("refs/tags/") else "branch",
        "ref_protected": "true",
        "sha": _SHA,
        "base_ref": "",
        "head_ref": "",
        "workflow": workflow.name,
        "workflow_ref": workflow_ref,
        "workflow_sha": _SHA,
        "job_workflow_ref": workflow_ref,
        "job_workflow_sha": _SHA,
        "event_name": run.event,
        "run_id": str(run.id),
        "run_number": str(run.number),
        "run_attempt": str(run.attempt),
        "actor": ACTOR,
        "actor_id": str(ACTOR_ID),
        "runner_environment": "github-hosted",
    }


def _context_names() -> list[str]:
    return [
        "actor",
        "actor_id",
        "base_ref",
        "event_name",
        "head_ref",
        "job_workflow_ref",
        "job_workflow_sha",
        "ref",
        "ref_protected",
        "ref_type",
        "repository",
        "repository_id",
        "repository_owner",
        "repository_owner_id",
        "repository_visibility",
        "run_attempt",
        "run_id",
        "run_number",
        "runner_environment",
        "sha",
        "workflow",
        "workflow_ref",
        "workflow_sha",
    ]
