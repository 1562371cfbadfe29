"""The form of a listener, drawn from the model of its proof, and read by it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from app.listeners import DEFINITIONS, Definition, Proof
from app.tenants import Door
from app.web import form_problems
from app.web.controls import Control
from app.web.errors import BadRequestError
from app.web.form_problems import InvalidDefinitionError

PROOFS: Mapping[Proof, tuple[str, str]] = {
    Proof.GITHUB_ACTIONS: (
        "A GitHub workflow",
        "GitHub signs a token for each of its jobs. There is no secret to keep.",
    ),
    Proof.GITLAB_CI: (
        "A GitLab pipeline",
        "GitLab signs a token for each of its jobs. There is no secret to keep.",
    ),
    Proof.OIDC: (
        "Another issuer of tokens (OpenID Connect)",
        "It says itself where its keys are. You say what its tokens must hold.",
    ),
    Proof.JWKS: (
        "A key set at an address (JWKS)",
        "Its keys may change. You say what its tokens must hold.",
    ),
    Proof.PUBLIC_KEY: (
        "A public key",
        "The caller signs with its private key, which never leaves it.",
    ),
    Proof.SECRET: (
        "A shared secret",
        "For a caller that can do nothing else. Countersign makes it.",
    ),
    Proof.JIRA_WEBHOOK: (
        "A transition, by a webhook of Jira's",
        "Jira signs each body, by the secret that Countersign makes.",
    ),
    Proof.JIRA_SECRET: (
        "A transition, by a script with a shared secret",
        "A script in Jira makes a token for each call. Countersign makes the secret.",
    ),
    Proof.JIRA_KEY: (
        "A transition, by a script with a key pair",
        "A script in Jira makes a token for each call. Its private key stays there.",
    ),
}
"""What each kind of proof is called, in the order in which they are offered."""


def offered(door: Door) -> Mapping[Proof, tuple[str, str]]:
    """Return what a site may choose among: transitions are a self-managed site's."""
    is_own = door is Door.DATACENTER
    kept = {proof: told for proof, told in PROOFS.items() if proof.is_transition}
    others = {proof: told for proof, told in PROOFS.items() if proof not in kept}
    return {**kept, **others} if is_own else others


_KINDS = {"array": "checks", "object": "pairs"}
_OF_KEYS = {"max_minutes": "write a whole number of minutes, in the limits below"}


def proof_of(text: object, door: Door) -> Proof | None:
    """Return the kind of proof of this name, if this door has one."""
    return Proof(str(text)) if text in list(offered(door)) else None


def controls(proof: Proof, values: Mapping[str, Any]) -> Sequence[Control]:
    """Return the fields of the form, with these values or with what is proposed."""
    schema = DEFINITIONS[proof].model_json_schema()
    fields = schema["properties"]
    # What everybody has comes first, what nobody has to touch comes last.
    order = sorted(fields, key=lambda key: (key == "max_minutes", key != "name"))
    required = set(schema["required"])
    events = [
        word for enum in schema.get("$defs", {}).values() for word in enum["enum"]
    ]
    return [
        _control(
            key,
            fields[key],
            values.get(key, fields[key].get("default")),
            choices=events,
            is_required=key in required,
        )
        for key in order
    ]


def _control(
    key: str,
    described: Mapping[str, Any],
    value: object,
    *,
    choices: Sequence[str],
    is_required: bool,
) -> Control:
    kind = _KINDS.get(described["type"], "text")
    return Control(
        key=key,
        label=described["title"],
        hint=described.get("description", "") + _limits(described),
        kind=kind,
        required=is_required,
        is_long=described.get("format") == "long",
        choices=choices,
        suggestions=(),
        value="\n".join(value) if isinstance(value, list) else str(value or ""),
        pairs=list(_pairs(value)) if kind == "pairs" else (),
    )


def _limits(described: Mapping[str, Any]) -> str:
    if "maximum" not in described:
        return ""
    return f" From {described['minimum']} to {described['maximum']}."


def _pairs(value: object) -> Iterator[tuple[str, str]]:
    """Yield each allowed value beside its claim's name: a claim may stand twice."""
    for name, allowed in value.items() if isinstance(value, dict) else ():
        for text in allowed:
            yield name, text


def read(body: Mapping[str, Any], door: Door) -> Definition:
    """Return what the form says; raise `InvalidDefinitionError` with all problems."""
    proof = proof_of(body.get("proof"), door)
    if proof is None:
        raise BadRequestError("proof must be one of those that are offered")
    values = {name: value for name, value in body.items() if name != "proof"}
    if "claims" in values:
        values["claims"] = _claims(values["claims"])
    problems = list(form_problems.unstorable(values))
    try:
        definition = DEFINITIONS[proof].model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        problems += [form_problems.problem(each, _OF_KEYS) for each in found]
    else:
        if not problems:
            return definition
    # Of one field the first: the others follow from it.
    first = {each.key: each for each in reversed(problems)}
    raise InvalidDefinitionError(list(first.values())[::-1])


def _claims(value: object) -> dict[str, list[str]]:
    """Gather the values of each claim, from an object or from pairs of texts."""
    pairs = list(value.items()) if isinstance(value, dict) else value
    found: dict[str, list[str]] = {}
    for pair in pairs if isinstance(pairs, list) else [pairs]:
        match pair:
            case [str(name), str(text)] | (str(name), str(text)):
                found.setdefault(name.strip(), []).append(text.strip())
            case _:
                raise BadRequestError("claims must be pairs of a name and a value")
    return found
