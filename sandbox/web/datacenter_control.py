"""The control API's share of a self-managed site: tokens, webhooks, scripts."""

from typing import Any

from flask import Response, jsonify

from sandbox import catalogue, people, wiki
from sandbox.datacenter import users
from sandbox.datacenter.kept import Script, Token, Webhook
from sandbox.datacenter.site import DataCenterError
from sandbox.web import asking, control

Json = dict[str, Any]

route = control.BLUEPRINT.route


@control.BLUEPRINT.errorhandler(DataCenterError)
def impossible(error: Exception) -> tuple[Json, int]:
    return {"error": str(error)}, 409


@route("/datacenter", methods=["GET"])
def get_datacenter() -> Json:
    """Everything, secrets included: this is loopback, and they are made up."""
    jira = asking.jira()
    site = jira.datacenter
    return {
        "baseUrl": jira.site.base_url,
        "pat": site.pat,
        "pats": [_token(one) for one in site.access.listed()],
        "webhooks": [_webhook(one) for one in site.kept.webhooks],
        "scripts": [_script(one) for one in site.kept.scripts],
    }


def _token(token: Token) -> Json:
    user = users.of(token.account)
    return {
        "id": token.id,
        "name": token.name,
        "user": user.name if user else "",
        "rawToken": token.raw,
        "expiringAt": token.expires,
        "isRevoked": token.is_revoked,
    }


def _webhook(webhook: Webhook) -> Json:
    return {
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "secret": webhook.secret,
        "events": webhook.events,
        "jql": webhook.jql,
        "enabled": webhook.is_on,
    }


def _script(script: Script) -> Json:
    return {
        "id": script.id,
        "name": script.name,
        "url": script.url,
        "issuer": script.issuer,
        "algorithm": script.algorithm,
    }


@route("/pats", methods=["POST"])
def make_token() -> tuple[Json, int]:
    given, jira = control.given_json(), asking.jira()
    person = people.named(str(given.get("user", "countersign")))
    days = float(given.get("days", 90))
    name = str(given.get("name", "made by a test"))
    return _token(jira.datacenter.access.make(person, name, days)), 201


@route("/pats/<token_id>", methods=["DELETE"])
def revoke_token(token_id: str) -> Json:
    return _token(asking.jira().datacenter.access.revoke(token_id))


@route("/webhooks", methods=["POST"])
def add_webhook() -> tuple[Json, int]:
    given = control.given_json()
    made = asking.jira().datacenter.add_webhook(
        str(given.get("url", "")),
        name=str(given.get("name", "Countersign")),
        secret=given.get("secret"),
        events=tuple(given.get("events", ())),
        jql=str(given.get("jql", "")),
    )
    return _webhook(made) | _placed(made, given), 201


@route("/scripts", methods=["POST"])
def add_script() -> tuple[Json, int]:
    given = control.given_json()
    made = asking.jira().datacenter.add_script(
        str(given.get("url", "")),
        name=str(given.get("name", "Countersign script")),
        issuer=str(given.get("issuer", "")),
        algorithm=str(given.get("algorithm", "HS256")),
        secret=str(given.get("secret", "")),
    )
    return _script(made) | _placed(made, given), 201


def _placed(made: Webhook | Script, given: Json) -> Json:
    """Put it on a transition at once, if one is named."""
    if "transition" not in given:
        return {}
    flow = given.get("workflow", catalogue.WORKFLOW)
    rule = asking.jira().datacenter.place(str(given["transition"]), made, flow)
    return {"rule": rule.id}


@route("/webhooks/<sender_id>", methods=["DELETE"])
@route("/scripts/<sender_id>", methods=["DELETE"])
def remove_sender(sender_id: str) -> Json:
    asking.jira().datacenter.remove(sender_id)
    return {"deleted": sender_id}


@route("/site-keys/<algorithm>", methods=["GET"])
def site_key(algorithm: str) -> Response:
    """The public half of what scripts sign with: RS256, ES256 or EdDSA."""
    pem = asking.jira().datacenter.public_key(algorithm)
    return Response(pem, mimetype="application/x-pem-file")


@route("/issues/<key>/marks", methods=["GET"])
def marks(key: str) -> Response:
    """What each comment is besides text: links, mentions, images, issues."""
    jira = asking.jira()
    with jira.world.lock:
        said = [one["body"].get("wiki", "") for one in jira.issue(key).comments]
    return jsonify([[_mark(mark) for mark in wiki.marks(text)] for text in said])


def _mark(mark: wiki.Mark) -> Json:
    return {"kind": mark.kind, "target": mark.target, "text": mark.text}
