"""The .gitlab-ci.yml of a project whose pipelines Countersign starts.

What an input says is never put into a script's text: it travels in a variable that is
not expanded, and the script quotes it.

Source: GitLab's "CI/CD YAML syntax reference", `spec:inputs`, `id_tokens`, `.post`.
"""

import json
from collections.abc import Iterator, Sequence

from app.destinations.inputs import Declaration


def pipeline(declared: Sequence[Declaration], *, is_typed: bool, answer_to: str) -> str:
    """Return the whole file; without a listener, without the jobs that answer."""
    lines = [*_spec(declared)] if is_typed and declared else []
    lines += [*_deploy(declared, is_typed=is_typed)]
    lines += _ANSWER.replace("ANSWER_TO", json.dumps(answer_to)).splitlines() * bool(
        answer_to
    )
    return "\n".join(lines) + "\n"


def _spec(declared: Sequence[Declaration]) -> Iterator[str]:
    yield "spec:"
    yield "  inputs:"
    for each in declared:
        yield f"    {each.name}:"
        yield from (f"      {line}" for line in _input(each))
    yield "---"


def _input(declared: Declaration) -> Iterator[str]:
    """Write one input down: as text, which is how a form brings it.

    What may be left out has an empty default.
    """
    empty = [] if declared.is_required else [""]
    choices = ("true", "false") if declared.kind == "yes-no" else declared.choices
    if choices:
        yield f"options: {json.dumps([*choices, *empty])}"
    elif declared.kind == "number":
        yield f"regex: '^{_or_empty(_NUMBER, declared)}$'"
    elif declared.kind == "word":
        yield f"regex: '^{_or_empty(_WORD, declared)}$'"
    else:
        yield "type: string"
    if empty:
        yield 'default: ""'


_WORD = "[A-Za-z0-9._/+-]{1,100}"
_NUMBER = r"-?[0-9]+(\.[0-9]+)?"


def _or_empty(pattern: str, declared: Declaration) -> str:
    return f"({pattern})" if declared.is_required else f"({pattern})?"


def _deploy(declared: Sequence[Declaration], *, is_typed: bool) -> Iterator[str]:
    names = [each.variable if is_typed else each.name for each in declared]
    yield "deploy:"
    yield "  stage: deploy"
    yield "  rules:"
    yield "    - if: $COUNTERSIGN"
    if is_typed and declared:
        yield "  variables:"
        for each in declared:
            yield f"    {each.variable}:"
            yield f'      value: "$[[ inputs.{each.name} ]]"'
            yield "      expand: false"
    yield "  script:"
    yield "    # In quotes, each of them: an input must not become a command."
    quoted = "".join(f' "${name}"' for name in names)
    yield f"    - ./deploy.sh{quoted}"


_ANSWER = """
# Two jobs, of which one runs: each says to Countersign how the pipeline ended.
.countersign:
  stage: .post
  image: alpine:3
  id_tokens:
    COUNTERSIGN_ID_TOKEN:
      aud: ANSWER_TO
  variables:
    GIT_STRATEGY: none
  before_script:
    - apk add --no-cache curl jq
  script:
    # The address stands here, and is not taken from the variable: who may start this
    # pipeline could have the token sent elsewhere.
    - >-
      printf '%s' "$COUNTERSIGN"
      | jq --compact-output
      --arg result "$RESULT"
      --arg message "Pipeline $CI_PIPELINE_ID $RESULT"
      --arg url "$CI_PIPELINE_URL"
      '{run, answer_key, $result, $message,
      url: ($url | select(startswith("https:")) // null)}'
      | curl --fail --silent --show-error --retry 5 --request POST
      --header "Authorization: Bearer $COUNTERSIGN_ID_TOKEN"
      --header "Content-Type: application/json"
      --data-binary @- ANSWER_TO

countersign-succeeded:
  extends: .countersign
  variables:
    RESULT: succeeded
  rules:
    - if: $COUNTERSIGN =~ /answer_key/
      when: on_success

countersign-failed:
  extends: .countersign
  variables:
    RESULT: failed
  rules:
    - if: $COUNTERSIGN =~ /answer_key/
      when: on_failure
"""
